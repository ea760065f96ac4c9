/**
 * Templates against what Jinja2 3.1.6 made of them in the environment of transformers 5.18
 * (scripts/record-jinja.py): the same text, or an error in both.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { TemplateError } from '../../../src/text/jinja/errors.ts';
import type { Marks } from '../../../src/text/jinja/marks.ts';
import { Template } from '../../../src/text/jinja/template.ts';

type Context = Record<string, unknown>;

interface Generated {
  contexts: Context[];
  /** Template, index of its context, text or null for an error. */
  rows: [string, number, string | null][];
}

interface Recorded {
  contexts: Context[];
  renders: Record<string, { sha256: string; texts: (string | null)[] }>;
}

function read<T>(name: string): T {
  const file = join(import.meta.dirname, '../fixtures/jinja', name);
  return JSON.parse(gunzipSync(readFileSync(file)).toString()) as T;
}

/** The time that the recording had. */
const now = () => new Date(2026, 2, 7, 15, 4, 9, 120);

/** Marks of all that is no letter, digit or space in ASCII. */
const marks: Marks = {
  characters: Array.from({ length: 128 }, (_, i) => String.fromCharCode(0xdc00 + i)).join(''),
  mark: (text) => text.replace(/[!-/:-@[-^`{-~]/g, (c) => String.fromCharCode(0xdc00 + c.charCodeAt(0))),
  plain: (text) => {
    return text.replace(/[\udc00-\udc7f]/gu, (c) => String.fromCharCode(c.charCodeAt(0) - 0xdc00));
  },
  whole: (text) => text,
};

function render(source: string, context: Context, marked = false): string | null {
  try {
    const template = new Template(source, marked ? { marks } : {});
    return marks.plain(template.render(context, { now }));
  } catch (error) {
    if (error instanceof TemplateError) return null;
    throw error;
  }
}

it('renders generated templates as Jinja2 does, and fails where it does', () => {
  const { contexts, rows } = read<Generated>('generated.json.gz');
  expect(rows.length).toBeGreaterThan(4000);
  const differing = rows.filter(([source, which, text]) => render(source, contexts[which]!) !== text);
  expect(differing.slice(0, 5)).toEqual([]);
});

it('cannot tell that its own text is marked', () => {
  const { contexts, rows } = read<Generated>('generated.json.gz');
  const differing = rows.filter(([source, which, text]) => render(source, contexts[which]!, true) !== text);
  expect(differing.slice(0, 5)).toEqual([]);
});

/** The folder trl/chat_templates of TRL 1.13, whose templates are not kept here. */
const folder = process.env.ATHANOR_TRL_TEMPLATES;

describe.skipIf(folder === undefined)('TRL 1.13', () => {
  const { contexts, renders } = read<Recorded>('trl.json.gz');
  it.each(Object.keys(renders))('%s', (name) => {
    const file = join(folder!, name);
    expect(existsSync(file)).toBe(true);
    const source = readFileSync(file, 'utf8');
    const { sha256, texts } = renders[name]!;
    expect(createHash('sha256').update(source).digest('hex')).toBe(sha256);
    texts.forEach((text, i) => {
      expect(render(source, contexts[i]!), `dialogue ${i}`).toBe(text);
      expect(render(source, contexts[i]!, true), `dialogue ${i}, marked`).toBe(text);
    });
  });
});
