#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 renders two constructs of chat templates unlike Jinja2, without an error:
# - the argument of lstrip and rstrip is ignored: all white space goes, not only the characters named;
# - a break loses what its iteration wrote before it.
# Templates such as Qwen3's call content.lstrip('\n'), so an answer that begins with an indented line
# of code loses its indentation in the training text.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @huggingface/jinja@0.5.11
cat > show.mjs <<'JS'
import { Template } from '@huggingface/jinja';

const cases = [
  // [template, what this library gives, what Jinja2 3.1.6 gives]
  ["[{{ text.lstrip('\\n') }}]", '[def f():]', '[    def f():]'],
  ['{% for i in [1, 2] %}{{ i }}{% break %}{% endfor %}|', '|', '1|'],
];
let changed = false;
for (const [source, seen, jinja2] of cases) {
  const text = new Template(source).render({ text: '\n    def f():' });
  console.log(JSON.stringify({ source, text, jinja2 }));
  if (text !== seen) changed = true;
}
process.exit(changed ? 1 : 0);
JS
node show.mjs
