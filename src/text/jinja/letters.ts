/** Upper, lower and title case as Python's str has them. */
import { characters } from './python-text.ts';

const digraphs: Record<string, string> = {
  ǆ: 'ǅ',
  Ǆ: 'ǅ',
  ǉ: 'ǈ',
  Ǉ: 'ǈ',
  ǌ: 'ǋ',
  Ǌ: 'ǋ',
  ǳ: 'ǲ',
  Ǳ: 'ǲ',
};

/** The form of a character at the beginning of a word. */
function titleCase(character: string): string {
  if (/[ა-ჿ]/.test(character)) return character;
  const digraph = digraphs[character];
  if (digraph !== undefined) return digraph;
  const [first, ...rest] = characters(character.toUpperCase());
  return (first ?? '') + rest.join('').toLowerCase();
}

export function capitalize(text: string): string {
  const [first, ...rest] = characters(text);
  return first === undefined ? '' : titleCase(first) + rest.join('').toLowerCase();
}

/** str.title: every letter behind something that is none begins a word. */
export function title(text: string): string {
  let inWord = false;
  let result = '';
  for (const character of characters(text)) {
    result += inWord ? character.toLowerCase() : titleCase(character);
    inWord = isCased(character);
  }
  return result;
}

export function swapCase(text: string): string {
  const swap = (c: string) => (isUpperLetter(c) ? c.toLowerCase() : c.toUpperCase());
  return characters(text).map(swap).join('');
}

function isCased(character: string): boolean {
  return /\p{Lowercase}|\p{Uppercase}|\p{Lt}/u.test(character);
}

function isUpperLetter(character: string): boolean {
  return /\p{Uppercase}/u.test(character);
}

export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/\p{Uppercase}|\p{Lt}/u.test(text);
}

export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/\p{Lowercase}|\p{Lt}/u.test(text);
}

export function isTitle(text: string): boolean {
  let [inWord, found] = [false, false];
  for (const character of characters(text)) {
    if (/\p{Uppercase}|\p{Lt}/u.test(character)) {
      if (inWord) return false;
      inWord = true;
      found = true;
    } else if (/\p{Lowercase}/u.test(character)) {
      if (!inWord) return false;
      found = true;
    } else {
      inWord = false;
    }
  }
  return found;
}
