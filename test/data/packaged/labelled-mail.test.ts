import { expect, it } from 'vitest';
import { textOfMail } from '../../../src/data/packaged/labelled-mail.ts';

it('of a message stays the subject and the body, without tags', () => {
  const message =
    'From a@b Fri Aug 23\r\nReceived: by list\r\nSUBJECT:  Buy   now \r\nTo: you\r\n\r\n' +
    '<html>\r\n<b>Only</b>\t today\r\n\r\n\r\n Subject: no header\r\n</html>\r\n';
  expect(textOfMail(message)).toBe('Buy now\n\nOnly today\n\nSubject: no header');
  expect(textOfMail('Received: by list\n\n')).toBe('');
  expect(textOfMail('Subject: alone')).toBe('alone');
});
