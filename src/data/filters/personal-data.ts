/**
 * Masks e-mail addresses, public IP addresses, telephone numbers and card numbers. The first two
 * follow datatrove 0.10, with its replacements. They begin anew in every text, so that a result
 * does not depend on the texts before.
 */
import { type RuleSettings, type TextFilter, withSettings } from './filter.ts';
import { isPublicAddress } from './public-address.ts';

export const PERSONAL_DATA_VERSION = 'datatrove-0.10+1';

const EMAILS = ['email@example.com', 'firstname.lastname@example.org'];
const ADDRESSES = [
  '22.214.171.124',
  '126.96.36.199',
  '188.8.131.52',
  '184.108.40.206',
  '220.127.116.11',
  '18.104.22.168',
];
/** As in the data set Dolma. */
const PHONE = '|||PHONE_NUMBER|||';
const CARD = '|||CARD_NUMBER|||';

const allKinds = { email: true, ip: true, card: true, phone: true };

/** The filter `pii`. It rejects no document. */
export function personalDataFilter(settings: RuleSettings): TextFilter {
  const rules = withSettings('pii', allKinds, settings);
  const isOn = (kind: string) => rules[kind] !== false;
  const kinds = { email: isOn('email'), ip: isOn('ip'), card: isOn('card'), phone: isOn('phone') };
  return {
    name: 'pii',
    version: PERSONAL_DATA_VERSION,
    rules,
    apply: ({ text }) => maskPersonalData(text, kinds),
  };
}

/** Kinds of personal data. False leaves one out. */
export interface PersonalDataKinds {
  email?: boolean | undefined;
  /** Public IPv4 addresses. */
  ip?: boolean | undefined;
  /** Numbers with the checksum of cards. */
  card?: boolean | undefined;
  phone?: boolean | undefined;
}

/** The text with personal data replaced. */
export function maskPersonalData(text: string, kinds: PersonalDataKinds = {}): string {
  let masked = text;
  if (kinds.email !== false && text.includes('@')) masked = maskEmails(masked);
  if (kinds.ip !== false) masked = maskAddresses(masked);
  if (kinds.card !== false)
    masked = masked.replace(CARD_NUMBER, (number) => (passesLuhn(number) ? CARD : number));
  if (kinds.phone !== false) masked = masked.replace(PHONE_NUMBER, PHONE);
  return masked;
}

const ATOM = /[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]/;
const WORD = /[\p{L}\p{N}_]/u;
const OCTET = '(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)';
const ADDRESS = new RegExp(`(?:${OCTET}\\.){3}${OCTET}`, 'g');
const LITERAL_DOMAIN = new RegExp(`\\[(?:${OCTET}\\.){3}(?:${OCTET}|[A-Za-z0-9-]*[A-Za-z0-9]:)\\]`, 'y');

/**
 * A pattern for the whole of an address takes time that grows with the square of the text. So each
 * @ is looked at from the middle.
 */
function maskEmails(text: string): string {
  const parts: string[] = [];
  let done = 0;
  let masked = 0;
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    if (at < done) continue;
    const start = localStart(text, at, done);
    const end = start === at ? at : domainEnd(text, at + 1);
    if (end === at || end === at + 1) continue;
    parts.push(text.slice(done, start), EMAILS[masked++ % EMAILS.length]!);
    done = end;
  }
  parts.push(text.slice(done));
  return parts.join('');
}

/** The first place at which a local part that ends at `at` can begin; `at` if there is none. */
function localStart(text: string, at: number, from: number): number {
  let run = at;
  while (run > from && (isAtom(text[run - 1]!) || (text[run - 1] === '.' && text[run] !== '.' && run < at))) {
    run--;
  }
  for (let start = run; start < at; start++) {
    if (isAtom(text[start]!) && isWord(text, start - 1) !== isWord(text, start)) return start;
  }
  return at;
}

function isAtom(char: string): boolean {
  return ATOM.test(char);
}

function isWord(text: string, place: number): boolean {
  return place >= 0 && WORD.test(text[place]!);
}

/** The end of a domain that begins at `start`; `start` if there is none. */
function domainEnd(text: string, start: number): number {
  LITERAL_DOMAIN.lastIndex = start;
  if (text[start] === '[') return LITERAL_DOMAIN.test(text) ? LITERAL_DOMAIN.lastIndex : start;
  let end = start;
  let labels = 0;
  for (let label = start; ; label = end + 1) {
    let stop = label;
    while (/[A-Za-z0-9-]/.test(text[stop] ?? ' ')) stop++;
    const dotted = text[stop] === '.' && text[stop - 1] !== '-';
    while (stop > label && text[stop - 1] === '-') stop--;
    if (stop === label || text[label] === '-') break;
    end = stop;
    labels++;
    if (!dotted) break;
  }
  return labels > 1 ? end : start;
}

function maskAddresses(text: string): string {
  let masked = 0;
  return text.replace(ADDRESS, (address) =>
    isPublicAddress(address) ? ADDRESSES[masked++ % ADDRESSES.length]! : address,
  );
}

/** 13 to 19 digits, or groups of 4 digits, or of 4, 6 and 5. */
const CARD_NUMBER =
  /(?<![\p{L}\p{N}_.,-])(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}([ -])(?:[0-9]{4}\1[0-9]{4}\1[0-9]{4}|[0-9]{6}\1[0-9]{5}))(?![\p{L}\p{N}_-]|[.,][0-9])/gu;

/** The checksum of card numbers (ISO/IEC 7812-1), over the digits of a text. */
export function passesLuhn(text: string): boolean {
  const digits = text.replace(/[^0-9]/g, '');
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? 2 * digit : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/**
 * An international number with + (E.164: at most 15 digits), or ten digits in the groups of North
 * America. Numbers in other forms look like any other number, and stay.
 */
const PHONE_NUMBER =
  /(?<![\p{L}\p{N}_+./-])(?:\+[1-9](?:\)?[ .-]?\(?[0-9]){7,14}|(?:1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4})(?![\p{L}\p{N}_]|[.,-][0-9])/gu;
