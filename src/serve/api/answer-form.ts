/** The form that an answer is held to: `response_format` of chat, `text.format` of responses. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Rule } from '../../generate/grammar/rule.ts';
import { badValue } from '../protocol/api-error.ts';
import type { RuleCheck } from '../protocol/rule-messages.ts';
import { customField, type Field, isObject } from './fields.ts';
import { NAME_PATTERN } from './limits.ts';

/** A form, and how an answer of /v1/responses repeats it. */
export interface AnswerForm {
  /** Undefined: any text. */
  rule: Rule | undefined;
  /** What is to be checked before the engine has the rule. */
  check?: RuleCheck;
  echo: JsonObject;
}

const DESCRIPTION =
  'The form of the text: any (text), a JSON object (json_object), or JSON that fits a schema (json_schema). A keyword of JSON Schema that is not supported is refused by name.';

/** `response_format` of chat, where the schema is in an object of its own. */
export function responseFormatField(): Field<AnswerForm> {
  return formField((value, param) => {
    const inner = value.json_schema;
    if (!isObject(inner)) throw badValue(`${param}.json_schema`, `${param}.json_schema must be an object`);
    return {
      fields: inner,
      param: `${param}.json_schema`,
      known: ['name', 'description', 'schema', 'strict'],
    };
  });
}

/** `text.format` of responses, where the schema is beside its type. */
export function textFormatField(): Field<AnswerForm> {
  const known = ['type', 'name', 'description', 'schema', 'strict'];
  return formField((fields, param) => ({ fields, param, known }));
}

interface SchemaFields {
  fields: JsonObject;
  param: string;
  known: readonly string[];
}

function formField(schemaFields: (value: JsonObject, param: string) => SchemaFields): Field<AnswerForm> {
  const types = ['text', 'json_object', 'json_schema'];
  const schema: JsonObject = {
    type: 'object',
    description: DESCRIPTION,
    required: ['type'],
    properties: { type: { enum: types } },
  };
  return customField(schema, (value, param) => {
    if (!isObject(value)) throw badValue(param, `${param} must be an object`);
    const { type } = value;
    if (typeof type !== 'string' || !types.includes(type)) {
      const shown = JSON.stringify(type ?? null).slice(0, 60);
      throw badValue(param, `${param} has the type ${shown}; types are ${types.join(', ')}`);
    }
    if (type === 'text') return { rule: undefined, echo: { type } };
    if (type === 'json_object') return { rule: ANY_OBJECT, echo: { type } };
    return schemaForm(schemaFields(value, param));
  });
}

const ANY_OBJECT: Rule = { kind: 'json', schema: { type: 'object' } };

function schemaForm({ fields, param, known }: SchemaFields): AnswerForm {
  const stray = Object.keys(fields).find((name) => !known.includes(name));
  if (stray !== undefined) {
    const shown = JSON.stringify(stray.slice(0, 60));
    throw badValue(param, `${param} has no field ${shown}`, 'unknown_parameter');
  }
  const { name, description = null, schema, strict = null } = fields;
  if (typeof name !== 'string' || !NAME_PATTERN.test(name)) {
    throw badValue(`${param}.name`, `${param}.name must be 1 to 64 letters, digits, _ and -`);
  }
  if (!isObject(schema)) throw badValue(`${param}.schema`, `${param}.schema must be a JSON Schema`);
  if (strict !== null && typeof strict !== 'boolean') {
    throw badValue(`${param}.strict`, `${param}.strict must be true or false`);
  }
  const rule: Rule = { kind: 'json', schema };
  return {
    rule,
    check: { rule, param: `${param}.schema` },
    echo: { type: 'json_schema', name, description, schema, strict },
  };
}

/** An answer that is held to a form ends when the form is complete, so it must be able to end. */
export function checkEnds(rule: Rule | undefined, ignoreEos: JsonValue | undefined): void {
  if (rule === undefined || ignoreEos !== true) return;
  throw badValue('ignore_eos', 'ignore_eos cannot be combined with a form of the answer or with tools');
}
