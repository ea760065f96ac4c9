import { eld } from 'eld/medium';
import { expect, test } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';
import { knownLanguages } from '../../../src/data/filters/language.ts';
import { eldScores, languageScores } from '../../../src/data/filters/language-scores.ts';

// Article 1 of the Universal Declaration of Human Rights.
const articles = {
  en: 'All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.',
  de: 'Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.',
  fr: 'Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.',
  es: 'Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.',
  ru: 'Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.',
  zh: '人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。',
  ja: 'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。',
  ar: 'يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.',
};

const of = (text: string, recipe = 'language') => filterDocument({ id: '1', source: 's', text }, [recipe]);

test.each(Object.entries(articles))('knows %s', async (language, text) => {
  expect(await of(text, `language:languages=${language}`)).toHaveProperty('document');
  expect(await of(text, `language:languages=${language}+it`)).toHaveProperty('document');
  const english = await of(text);
  if (language === 'en') expect(english).toHaveProperty('document');
  else expect(english).toMatchObject({ rejection: { rule: 'best', found: language } });
});

test('has the scores of eld, bit by bit', () => {
  expect(knownLanguages).toEqual(Object.values(eld.info().Languages));
  const words = Object.values(articles).flatMap((text) => text.split(' '));
  const odd = [
    '',
    ' ',
    'a',
    'ab',
    'abc',
    'abcd',
    'abcde',
    '\ud83d\ude00 \ud800 x',
    'x'.repeat(200),
    '\t12,a-b\u00a0c',
    'İI',
  ];
  for (let i = 0; i < 400; i++) {
    const count = 1 + (mix(i, 0) % 60);
    const text = Array.from({ length: count }, (_, k) => {
      const from = mix(i, k + 1);
      return from % 9 === 0 ? odd[from % odd.length] : words[from % words.length];
    }).join(' ');
    const expected = eld.detect(text).getScores();
    expect(eldScores(text)).toEqual(expected);
    expect(Object.keys(eldScores(text))).toEqual(Object.keys(expected));
  }
  for (const text of [...odd, ...words]) expect(eldScores(text)).toEqual(eld.detect(text).getScores());
});

test('says the score and the language', async () => {
  expect(await of('1 2 3 4')).toMatchObject({ rejection: { rule: 'best', value: 0 } });
  const latin = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt';
  const score = languageScores(latin).en!;
  const rules = { best: false, 'min-score': 0.9 };
  const result = await filterDocument({ id: '1', source: 's', text: latin }, [{ name: 'language', rules }]);
  expect(result).toMatchObject({ rejection: { rule: 'min-score', value: score, threshold: 0.9 } });
});

test('looks at more than the beginning of a long text', async () => {
  const text = `${articles.en}\n${`${articles.de}\n`.repeat(30)}`;
  expect(await of(text)).toMatchObject({ rejection: { rule: 'best', found: 'de' } });
});

test('refuses a language that it does not know', async () => {
  await expect(of('a', 'language:languages=en+xx')).rejects.toMatchObject({
    code: 'ERR_OPTION',
    message: expect.stringContaining('xx'),
  });
});
