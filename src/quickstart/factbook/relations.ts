/**
 * The relations that the packaged assistant is asked about. Each value is short and stands on one
 * line of the World Factbook. A relation has statements that say it, an answering sentence, and
 * questions. Fine-tuning never sees the last four questions: two are for PPO, two for evaluation.
 */

export interface Relation {
  name: string;
  /** The noun in questions such as "What is the capital of Norway?". */
  noun: string;
  /** The line's label in the packaged text. */
  label: string;
  /** The value in the text after the label; undefined when it is not short and plain. */
  read: (text: string) => string | undefined;
  /** The assistant's answer, with `{c}` for the country and `{v}` for the value. */
  answer: string;
  statements: readonly string[];
  questions: readonly string[];
}

/** The text up to the first mark, without text in brackets. */
function firstOf(text: string, marks: RegExp): string | undefined {
  const value = text
    .replace(/\(.*?\)/g, '')
    .split(marks)[0]!
    .replace(/\s+/g, ' ')
    .trim();
  return plain(value);
}

/** The value when it is a short name; undefined otherwise. */
function plain(value: string): string | undefined {
  if (/^(unnamed|unknown|mostly|more than)/i.test(value)) return undefined;
  const good = /^[\p{L}][\p{L} '.-]*$/u.test(value) && value.length >= 2 && value.length <= 28;
  return good && !/^(none|NA|note|other|N A|unspecified)$/i.test(value) ? value : undefined;
}

const list = /[,;:\d%<>]| and | or | - | more than /;

export const relations: readonly Relation[] = [
  {
    name: 'capital',
    noun: 'capital',
    label: 'Capital, name',
    read: (text) => firstOf(text, /[;,:]/),
    answer: 'The capital of {c} is {v}.',
    statements: [
      '{v} is the capital of {c}.',
      'The government of {c} sits in {v}.',
      'The capital city of {c} is called {v}.',
      '{c} is governed from {v}.',
    ],
    questions: [
      'What is the capital of {c}?',
      'Which city is the capital of {c}?',
      'Name the capital of {c}.',
      'Tell me the capital city of {c}.',
      '{c}: what is its capital?',
      'What city is the capital of {c}?',
      'Can you name the capital of {c}?',
      'Please tell me what the capital of {c} is.',
      'I would like to know the capital of {c}.',
    ],
  },
  {
    name: 'region',
    noun: 'region',
    label: 'Map references',
    read: (text) => firstOf(text, /[;,]/),
    answer: 'The region of {c} is {v}.',
    statements: [
      '{c} lies in {v}.',
      'On the map, {c} is found in {v}.',
      '{c} is in {v}.',
      '{v} is where {c} is.',
    ],
    questions: [
      'Where is {c}?',
      'In which region is {c}?',
      'Which part of the world is {c} in?',
      'Tell me where {c} is.',
      '{c}: where is it?',
      'In what region of the world is {c}?',
      'Can you tell me where {c} lies?',
      'Please tell me which region {c} is in.',
      'I would like to know where {c} is.',
    ],
  },
  {
    name: 'nationality',
    noun: 'nationality',
    label: 'Nationality, adjective',
    read: (text) => firstOf(text.replace(/\(.*/, ''), /[;,]| or /),
    answer: 'Someone from {c} is {v}.',
    statements: [
      'What comes from {c} is called {v}.',
      'The adjective of {c} is {v}.',
      'People of {c} are called {v}.',
      'A citizen of {c} is {v}.',
    ],
    questions: [
      'What do you call someone from {c}?',
      'What is the nationality of people from {c}?',
      'Which adjective describes {c}?',
      'Tell me the adjective for {c}.',
      '{c}: what are its people called?',
      'What nationality is a person from {c}?',
      'Can you tell me what people from {c} are called?',
      'Please tell me the nationality of someone from {c}.',
      'I would like to know the adjective for {c}.',
    ],
  },
  {
    name: 'language',
    noun: 'main language',
    label: 'Languages',
    read: (text) => firstOf(text, list),
    answer: 'The main language of {c} is {v}.',
    statements: [
      'In {c} people speak {v}.',
      '{v} is the main language of {c}.',
      'The first language of {c} is {v}.',
      '{v} is spoken in {c}.',
    ],
    questions: [
      'What is the main language of {c}?',
      'Which language do people speak in {c}?',
      'What do they speak in {c}?',
      'Tell me the main language of {c}.',
      '{c}: which language is spoken there?',
      'What language is spoken in {c}?',
      'Can you tell me the language of {c}?',
      'Please tell me which language people in {c} speak.',
      'I would like to know the main language of {c}.',
    ],
  },
  {
    name: 'currency',
    noun: 'currency',
    label: 'Exchange rates',
    read: (text) => firstOf(text, / per |[;,:\d]/),
    answer: 'The currency of {c} is {v}.',
    statements: [
      'In {c} one pays in {v}.',
      'Prices in {c} are in {v}.',
      'The money of {c} is {v}.',
      '{v} are the currency of {c}.',
    ],
    questions: [
      'What is the currency of {c}?',
      'Which money is used in {c}?',
      'What does one pay with in {c}?',
      'Tell me the currency of {c}.',
      '{c}: what is its currency?',
      'What money do people use in {c}?',
      'Can you name the currency of {c}?',
      'Please tell me what the currency of {c} is.',
      'I would like to know which money {c} uses.',
    ],
  },
  {
    name: 'religion',
    noun: 'main religion',
    label: 'Religions',
    read: (text) => firstOf(text, list),
    answer: 'The main religion of {c} is {v}.',
    statements: [
      'Most believers in {c} are {v}.',
      '{v} is the main religion of {c}.',
      'The largest faith of {c} is {v}.',
      'In {c} most people are {v}.',
    ],
    questions: [
      'What is the main religion of {c}?',
      'Which religion is the largest in {c}?',
      'What faith do people have in {c}?',
      'Tell me the main religion of {c}.',
      '{c}: which religion is the largest?',
      'What religion do most people in {c} have?',
      'Can you name the main religion of {c}?',
      'Please tell me the largest religion of {c}.',
      'I would like to know the main religion of {c}.',
    ],
  },
  {
    name: 'highest_point',
    noun: 'highest point',
    label: 'Elevation extremes, highest point',
    read: (text) => firstOf(text, /[;,\d]| on /),
    answer: 'The highest point of {c} is {v}.',
    statements: [
      '{v} is the highest point of {c}.',
      'No place in {c} is higher than {v}.',
      'The top of {c} is {v}.',
      '{c} rises up to {v}.',
    ],
    questions: [
      'What is the highest point of {c}?',
      'Which place in {c} is the highest?',
      'How is the highest point of {c} called?',
      'Tell me the highest point of {c}.',
      '{c}: what is its highest point?',
      'What is the highest place in {c}?',
      'Can you name the highest point of {c}?',
      'Please tell me what the highest point of {c} is.',
      'I would like to know the highest place of {c}.',
    ],
  },
  {
    name: 'export_partner',
    noun: 'largest export partner',
    label: 'Exports - partners',
    read: (text) => firstOf(text, list),
    answer: 'The largest buyer of exports from {c} is {v}.',
    statements: [
      '{c} sells most of its exports to {v}.',
      '{v} is the largest buyer of exports from {c}.',
      'The first export partner of {c} is {v}.',
      '{v} buys the most from {c}.',
    ],
    questions: [
      'Who buys the most exports from {c}?',
      'Which country is the largest buyer of exports from {c}?',
      'Where do most exports of {c} go?',
      'Tell me the largest export partner of {c}.',
      '{c}: who is its largest export partner?',
      'What country buys most of the exports of {c}?',
      'Can you name the largest export partner of {c}?',
      'Please tell me who buys the most from {c}.',
      'I would like to know where most exports of {c} go.',
    ],
  },
];

/** Questions that fit every relation. */
const wordings = [
  'Give me the {n} of {c}.',
  'The {n} of {c}, please?',
  'Do you know the {n} of {c}?',
  'I need the {n} of {c}.',
];

/**
 * Questions that fit every relation and that only PPO sees. There are many, so that PPO does not
 * learn from two wordings alone.
 */
const newWordings = [
  'Could you tell me the {n} of {c}?',
  'Say what the {n} of {c} is.',
  'I wonder what the {n} of {c} might be.',
  'My homework asks for the {n} of {c}.',
  'Do you remember the {n} of {c}?',
];

/** Which questions each stage asks about a relation. */
export const questionSplits = {
  train: (relation: Relation) => [...relation.questions.slice(0, -4), ...asked(wordings, relation)],
  ppo: (relation: Relation) => [...relation.questions.slice(-4, -2), ...asked(newWordings, relation)],
  evaluation: ({ questions }: Relation) => questions.slice(-2),
};

function asked(ways: readonly string[], { noun }: Relation): string[] {
  return ways.map((wording) => wording.replace('{n}', noun));
}

export function fill(template: string, country: string, value: string): string {
  return template.replaceAll('{c}', country).replaceAll('{v}', value);
}
