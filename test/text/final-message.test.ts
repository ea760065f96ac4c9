/** The last message that a model goes on with. Whole templates: templates-in-use.test.ts. */
import { expect, it } from 'vitest';
import { tagged } from '../../src/text/final-message.ts';

const calls = [{ type: 'function', function: { name: 'f', arguments: {} } }];
const tag = (content: string | null) =>
  tagged([{ role: 'assistant', content, tool_calls: calls }], 'content', '{{ message.content }}');

it('is refused where it has calls and no words, as transformers refuses content that is null', () => {
  for (const content of [null, '']) {
    expect(() => tag(content)).toThrow(/the last message has no `content` to go on with/);
  }
});

it('with words keeps its calls', () => {
  expect(tag('Wait').said).toBe('Wait');
  expect(tag('Wait').messages[0]).toMatchObject({ role: 'assistant', tool_calls: calls });
});
