import { expect, test } from 'vitest';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';
import { maskPersonalData, passesLuhn } from '../../../src/data/filters/personal-data.ts';
import { isPublicAddress } from '../../../src/data/filters/public-address.ts';

const CARD = '|||CARD_NUMBER|||';
const PHONE = '|||PHONE_NUMBER|||';

// Test numbers of card companies and of ISO/IEC 7812.
test.each([
  ['4111111111111111', CARD],
  ['4111 1111 1111 1111', CARD],
  ['5500-0000-0000-0004', CARD],
  ['378282246310005', CARD],
  ['3782 822463 10005', CARD],
  ['6011000990139424.', `${CARD}.`],
  ['4111111111111112', '4111111111111112'],
  ['4111 1111-1111 1111', '4111 1111-1111 1111'],
  ['0.4111111111111111', '0.4111111111111111'],
  ['id-4111111111111111', 'id-4111111111111111'],
  ['14111111111111111111', '14111111111111111111'],
])('card number %s', (text, masked) => {
  expect(maskPersonalData(text)).toBe(masked);
});

test('the checksum refuses every number with one wrong digit', () => {
  const number = '79927398713';
  expect(passesLuhn(number)).toBe(true);
  for (let i = 0; i < number.length; i++) {
    for (let digit = 0; digit < 10; digit++) {
      const other = number.slice(0, i) + digit + number.slice(i + 1);
      expect(passesLuhn(other)).toBe(other === number);
    }
  }
});

test.each([
  ['call 212-555-0123 now', `call ${PHONE} now`],
  ['(212) 555-0123', PHONE],
  ['(212)555.0123', PHONE],
  ['1-212-555-0123', PHONE],
  ['+1 (212) 555-0123', PHONE],
  ['+49 30 901820', PHONE],
  ['+44 20 7946 0958.', `${PHONE}.`],
  ['+33123456789', PHONE],
  ['+5 10 15', '+5 10 15'],
  ['112-555-0123', '112-555-0123'],
  ['2024-05-01 10:00', '2024-05-01 10:00'],
  ['1,212,555,0123', '1,212,555,0123'],
  ['212-555-01234', '212-555-01234'],
  ['x212-555-0123', 'x212-555-0123'],
])('telephone number %s', (text, masked) => {
  expect(maskPersonalData(text)).toBe(masked);
});

test('addresses of datatrove, in turn, and anew in each text', async () => {
  const text = 'a@b.co c@d.org e@f.net, 8.8.8.8 and 9.9.9.9, not 192.168.1.1 nor 08.8.8.8';
  const masked =
    'email@example.com firstname.lastname@example.org email@example.com, 22.214.171.124 and 126.96.36.199, not 192.168.1.1 nor 08.8.8.8';
  for (let i = 0; i < 2; i++) {
    expect(await filterDocument({ id: '1', source: 's', text }, ['pii'])).toMatchObject({
      document: { text: masked },
    });
  }
  expect(await filterDocument({ id: '1', source: 's', text }, ['pii:email=off:ip=off'])).toMatchObject({
    document: { text },
  });
});

// The last and first addresses of the blocks of RFC 6890.
test.each([
  ['9.255.255.255', true],
  ['10.0.0.0', false],
  ['10.255.255.255', false],
  ['11.0.0.0', true],
  ['100.63.255.255', true],
  ['100.64.0.0', false],
  ['100.127.255.255', false],
  ['100.128.0.0', true],
  ['127.0.0.1', false],
  ['172.15.255.255', true],
  ['172.31.255.255', false],
  ['172.32.0.0', true],
  ['198.20.0.0', true],
  ['198.19.255.255', false],
  ['223.255.255.255', true],
  ['240.0.0.0', false],
  ['255.255.255.255', false],
])('%s is public: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});
