/**
 * Which text of a dialogue is learned, with chat templates that have no `{% generation %}` blocks,
 * against the blocks that TRL 1.13 has for them and transformers 5.18 reads
 * (scripts/record-answer-masks.py): also where a template drops thoughts of earlier turns, moves
 * tools, or writes an answer in several parts.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { ChatTemplate, type Message, type TemplateInputs } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';

interface Recording {
  tokens: Record<string, string>;
  dialogues: (JsonObject & { messages: (JsonObject & { role: string; content: string })[] })[];
  templates: Record<string, { source?: string; sha256?: string; cases: Case[] }>;
}
interface Case {
  dialogue: number;
  text: string;
  learned: string[];
}

const fixtures = join(import.meta.dirname, 'fixtures/chat');
const record = JSON.parse(
  gunzipSync(readFileSync(join(fixtures, 'answers.json.gz'))).toString(),
) as Recording;

/** The folder trl/chat_templates of TRL 1.13, for the templates that are not kept here. */
const folder = process.env.ATHANOR_TRL_TEMPLATES;

/** A tokenizer with all that looks like a control token of these templates. */
function tokenizerFor(source: string): Tokenizer {
  const named = Object.values(record.tokens);
  const found = source.match(/<[|｜][^<>\s']*?[|｜]>|<(?:start|end)_of_\w+>/g) ?? [];
  const names = [...new Set([...named, ...found])];
  const place = mkdtempSync(join(tmpdir(), 'athanor-answers-'));
  Tokenizer.load(join(fixtures, 'tokenizer.json')).withSpecialTokens(names).save(place);
  writeFileSync(join(place, 'tokenizer_config.json'), JSON.stringify(record.tokens));
  const tokenizer = Tokenizer.load(place);
  rmSync(place, { recursive: true });
  return tokenizer;
}

function dialogueOf(number: number): { messages: Message[]; inputs: TemplateInputs } {
  const { messages, tools, ...variables } = record.dialogues[number]!;
  const inputs = { variables, ...(tools !== undefined && { tools }) };
  return {
    messages: messages.map(({ role, content, ...fields }) => ({ role, content, fields })),
    inputs,
  };
}

function learned(tokenizer: Tokenizer, tokens: Int32Array, supervised: Uint8Array): string[] {
  const runs: number[][] = [];
  tokens.forEach((id, i) => {
    if (!supervised[i]) return;
    if (!supervised[i - 1]) runs.push([]);
    runs.at(-1)!.push(id);
  });
  return runs.map((ids) => tokenizer.decode(ids));
}

// Some templates write the date of the recording.
beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date(2026, 10, 30, 12) });
});
afterAll(() => {
  vi.useRealTimers();
});

describe.each(Object.entries(record.templates))('%s', (name, { source: kept, sha256, cases }) => {
  it.skipIf(kept === undefined && folder === undefined)('teaches what its blocks mark', () => {
    const source = kept ?? readFileSync(join(folder!, name), 'utf8');
    if (sha256 !== undefined) expect(createHash('sha256').update(source).digest('hex')).toBe(sha256);
    const tokenizer = tokenizerFor(source);
    const template = new ChatTemplate(source, tokenizer);
    for (const { dialogue, text, learned: expected } of cases) {
      const { messages, inputs } = dialogueOf(dialogue);
      expect(template.render(messages, { inputs }), `dialogue ${dialogue}`).toBe(text);
      const { tokens, supervised } = template.encodeDialogue(messages, undefined, inputs);
      expect(learned(tokenizer, tokens, supervised), `dialogue ${dialogue}`).toEqual(expected);
    }
  });
});

it('a template that drops earlier thoughts is said to rewrite, and one that keeps them is not', () => {
  const { messages, inputs } = dialogueOf(9);
  const rewritten = (name: string) => {
    const source = record.templates[name]!.source!;
    return new ChatTemplate(source, tokenizerFor(source)).encodeDialogue(messages, 'x', inputs).rewritten;
  };
  expect(rewritten('qwen3.jinja')).toEqual([3]);
  expect(rewritten('qwen3_8.jinja')).toEqual([]);
  expect(rewritten('deepseek_r1_distill.jinja')).toEqual([1, 3, 5]);
});
