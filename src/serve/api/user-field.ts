/** Texts with a bound on their length, such as the name of a user. */
import { badValue } from '../protocol/api-error.ts';
import { customField, type Field } from './fields.ts';

/** Characters of the name of a user. */
const MAX_USER = 256;

/** A text of 1 to `most` characters. */
export function boundedField(description: string, most: number): Field<string> {
  return customField({ type: 'string', description, minLength: 1, maxLength: most }, (value, param) => {
    if (typeof value !== 'string') throw badValue(param, `${param} must be a string`);
    if (value.length >= 1 && value.length <= most) return value;
    throw badValue(param, `${param} has ${value.length} characters; it must have 1 to ${most}`);
  });
}

export function userField(description: string): Field<string> {
  return boundedField(description, MAX_USER);
}
