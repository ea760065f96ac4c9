/** The punctuation that datatrove 0.10 knows. */

const RANGES: readonly (readonly [number, number])[] = [
  [0, 8],
  [11, 12],
  [13, 31],
  [127, 159],
];
const MARKS = '!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„\';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_."}►»';

/** Ends of sentences in many scripts: `Sentence_Terminal` of Unicode 14, and three of Khmer. */
export const TERMINAL_PUNCTUATION: ReadonlySet<string> = new Set(
  [
    '!.?։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៖៙៚᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗',
    '！．？｡𐩖𐩗𐽕𐽖𐽗𐽘𐽙𐾆𐾇𐾈𐾉𑁇𑁈𑂾𑂿𑃀𑃁𑅁𑅂𑅃𑇅𑇆𑇍𑇞𑇟𑈸𑈹𑈻𑈼𑊩𑑋𑑌𑗂𑗃𑗉𑗊𑗋𑗌𑗍𑗎𑗏𑗐𑗑𑗒𑗓𑗔𑗕𑗖𑗗𑙁𑙂𑜼𑜽𑜾𑥄𑥆𑩂𑩃𑪛𑪜𑱁𑱂𑻷𑻸\u{11f43}',
    '\u{11f44}𖩮𖩯𖫵𖬷𖬸𖭄𖺘𛲟𝪈',
  ].join(''),
);

/** Characters that count as no part of a word. */
export const PUNCTUATION: ReadonlySet<string> = new Set([
  ...MARKS,
  ...TERMINAL_PUNCTUATION,
  ...RANGES.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i)),
  ),
]);
