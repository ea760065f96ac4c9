/** What a call of a function may be, in each syntax of calls. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Rule } from '../../generate/grammar/rule.ts';
import type { CallSyntax } from '../../text/tool-calls/format.ts';
import { typesOf } from '../../text/tool-calls/tagged-call-scanner.ts';
import { isObject } from './fields.ts';
import type { ToolFunction } from './tools.ts';

export const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} };
/** Longer texts without quotes may be of any length. */
const MOST_COUNTED = 1000;
const LETTERS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'];

/** One call, without what stands around it. */
export function callRule(syntax: CallSyntax, tool: ToolFunction): Rule {
  const { name } = tool;
  switch (syntax.kind) {
    case 'object':
      return all(
        text(`{"name": ${JSON.stringify(name)}, "${syntax.argumentsKey}": `),
        argumentsRule(tool),
        text('}'),
      );
    case 'named':
      return all(text(name), ...idRules(syntax.idLength), text('[ARGS]'), argumentsRule(tool));
    case 'python':
      return all(text(`${name}(`), pythonRule(tool));
    case 'tags':
      return all(text(`<function=${name}>\n`), tagsRule(tool));
  }
}

/** The arguments of a strict function, as they must be. */
export function exactArguments({ parameters }: ToolFunction): Rule {
  return { kind: 'json', schema: parameters ?? NO_PARAMETERS };
}

/**
 * Why the arguments of a strict function cannot be held to its schema in a syntax; undefined where
 * they can.
 */
export function looseSchema(
  { kind }: CallSyntax,
  { parameters = NO_PARAMETERS }: ToolFunction,
): string | undefined {
  if (kind === 'object' || kind === 'named') return undefined;
  const members = membersOf(parameters);
  if (!members)
    return 'calls of this model name each argument, so the schema must be one of an object with properties';
  if (kind === 'python') return undefined;
  const loose = members.find(
    ({ schema }) => isText(schema) && (schema.pattern !== undefined || schema.format !== undefined),
  );
  return (
    loose &&
    `calls of this model have no quotes, so "pattern" and "format" of ${JSON.stringify(loose.name)} cannot be kept`
  );
}

function text(value: string): Rule {
  return { kind: 'text', text: value };
}

function all(...items: readonly Rule[]): Rule {
  return { kind: 'all', items };
}

function maybe(rule: Rule): Rule {
  return { kind: 'any', items: [rule, all()] };
}

/** Arguments of a function that is not strict need not fit a schema that is not supported. */
function argumentsRule(tool: ToolFunction): Rule {
  const schema = tool.parameters ?? NO_PARAMETERS;
  if (tool.isStrict) return { kind: 'json', schema };
  return { kind: 'json-if-supported', schema, otherwise: { type: 'object' } };
}

function idRules(length: number | undefined): Rule[] {
  if (length === undefined) return [];
  const letter: Rule = { kind: 'any', items: LETTERS.map(text) };
  return [text('[CALL_ID]'), ...Array.from({ length }, () => letter)];
}

interface Member {
  name: string;
  isRequired: boolean;
  /** With the definitions of the whole schema. */
  schema: JsonObject;
}

/** The named arguments of a schema; undefined where it does not simply list them. */
function membersOf(schema: JsonObject): Member[] | undefined {
  const { properties = {}, required = [], $defs, definitions, type = 'object' } = schema;
  const isPlain = ['$ref', 'allOf', 'anyOf', 'oneOf', 'enum', 'const'].every(
    (key) => schema[key] === undefined,
  );
  if (!isPlain || type !== 'object' || !isObject(properties) || !Array.isArray(required)) return undefined;
  if (required.some((name) => typeof name !== 'string' || !Object.hasOwn(properties, name))) return undefined;
  const shared = { ...($defs !== undefined && { $defs }), ...(definitions !== undefined && { definitions }) };
  return Object.entries(properties).map(([name, own]) => ({
    name,
    isRequired: required.includes(name),
    schema: isObject(own) ? { ...shared, ...own } : {},
  }));
}

function jsonRule(schema: JsonObject, isStrict: boolean): Rule {
  return isStrict ? { kind: 'json', schema } : { kind: 'json-if-supported', schema, otherwise: true };
}

/** Required arguments come first, so that commas are simple. */
function pythonRule({ parameters = NO_PARAMETERS, isStrict }: ToolFunction): Rule {
  const members = membersOf(parameters);
  if (!members || members.some(({ name }) => !/^[A-Za-z_]\w*$/.test(name))) {
    return { kind: 'until', marker: ')', after: all() };
  }
  const member = ({ name, schema }: Member): Rule => all(text(`${name}=`), pythonValueRule(schema, isStrict));
  const after = (rest: readonly Member[]): Rule[] =>
    rest.map((one) => {
      const rule = all(text(', '), member(one));
      return one.isRequired ? rule : maybe(rule);
    });
  const ordered = [
    ...members.filter(({ isRequired }) => isRequired),
    ...members.filter(({ isRequired }) => !isRequired),
  ];
  const end = text(')');
  if (ordered[0]?.isRequired) return all(member(ordered[0]), ...after(ordered.slice(1)), end);
  const ways = ordered.map((first, i) => all(member(first), ...after(ordered.slice(i + 1))));
  return all({ kind: 'any', items: [...ways, all()] }, end);
}

function pythonValueRule(schema: JsonObject, isStrict: boolean): Rule {
  const types = typesOf(schema);
  const isListed = schema.enum !== undefined || schema.const !== undefined;
  if (!isListed && types.length === 1 && types[0] === 'boolean') {
    return { kind: 'any', items: ['True', 'False'].map(text) };
  }
  return jsonRule(schema, isStrict);
}

function tagsRule({ parameters = NO_PARAMETERS, isStrict }: ToolFunction): Rule {
  const end = '</function>';
  const members = membersOf(parameters);
  if (!members) return { kind: 'until', marker: end, after: all() };
  const rules = members.map(({ name, isRequired, schema }) => {
    const rule = all(text(`<parameter=${name}>\n`), tagValueRule(schema, isStrict));
    return isRequired ? rule : maybe(rule);
  });
  return all(...rules, text(end));
}

const VALUE_END = '\n</parameter>\n';

/** A value with its end. */
function tagValueRule(schema: JsonObject, isStrict: boolean): Rule {
  const end = text(VALUE_END);
  if (!typesOf(schema).includes('string')) return all(jsonRule(schema, isStrict), end);
  const listed = listedTexts(schema);
  if (listed) return all({ kind: 'any', items: listed.map(text) }, end);
  const { minLength: least = 0, maxLength: most = Number.POSITIVE_INFINITY } = schema;
  const isCounted = isText(schema) && Number.isSafeInteger(least) && Number(most) <= MOST_COUNTED;
  if (isCounted) return all({ kind: 'plain', least: Number(least), most: Number(most) }, end);
  return { kind: 'until', marker: VALUE_END, after: all() };
}

/** Whether all values are texts. */
function isText(schema: JsonObject): boolean {
  const types = typesOf(schema);
  return types.length === 1 && types[0] === 'string';
}

function listedTexts({ enum: listed, const: only }: JsonObject): string[] | undefined {
  const values: JsonValue | undefined = only === undefined ? listed : [only];
  if (!Array.isArray(values) || values.length === 0) return undefined;
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
}
