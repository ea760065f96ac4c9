#!/usr/bin/env bash
# eld 2.1.0 names the language of the first few hundred bytes of a text, however long it is. A text
# that begins with 400 bytes of English and goes on with ten times as much German is English, and
# isReliable() is true. It also has Malay and no Indonesian, so Indonesian text is Malay, reliably. A
# filter of web pages, which often begin with a menu, has to choose what it shows the library.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > init.json
npm install --silent --no-audit --no-fund eld@2.1.0
cat > show.mjs <<'JS'
import { eld } from 'eld/medium';

const english = 'The house stands near the river, and the children walk along the water every morning. ';
const german = 'Das Haus steht nahe am Fluss, und die Kinder gehen jeden Morgen am Wasser entlang. ';
const indonesian =
  'Setiap orang berhak atas pendidikan. Pendidikan harus cuma-cuma, setidaknya untuk tingkat sekolah rendah dan pendidikan dasar.';
const menu = english.repeat(5).slice(0, 400);
const show = (text) => {
  const found = eld.detect(text);
  return [found.language, found.isReliable()];
};
const seen = {
  german: show(german.repeat(50)),
  'english menu, then german': show(menu + german.repeat(50)),
  indonesian: show(indonesian),
};
console.log(JSON.stringify(seen));
const expected = {
  german: ['de', true],
  'english menu, then german': ['en', true],
  indonesian: ['ms', true],
};
process.exitCode = JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1;
JS
node show.mjs
