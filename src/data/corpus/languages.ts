/** Programming languages by the names of files, in the words of GitHub Linguist in lower case. */

/** Each language with the endings of its files. */
const endings: { readonly [language: string]: string } = {
  ada: 'adb ads',
  assembly: 'asm s',
  batchfile: 'bat cmd',
  c: 'c h',
  'c#': 'cs',
  'c++': 'cc cpp cxx c++ hh hpp hxx h++ inl ipp tpp',
  clojure: 'clj cljs cljc',
  cmake: 'cmake',
  cobol: 'cob cbl',
  coffeescript: 'coffee',
  'common lisp': 'lisp cl',
  crystal: 'cr',
  css: 'css',
  cuda: 'cu cuh',
  d: 'd',
  dart: 'dart',
  elixir: 'ex exs',
  elm: 'elm',
  'emacs lisp': 'el',
  erlang: 'erl hrl',
  'f#': 'fs fsi fsx',
  fortran: 'f f90 f95 f03 f08 for',
  glsl: 'glsl vert frag',
  go: 'go',
  groovy: 'groovy gradle',
  haskell: 'hs lhs',
  java: 'java',
  javascript: 'js mjs cjs jsx',
  julia: 'jl',
  kotlin: 'kt kts',
  less: 'less',
  lua: 'lua',
  makefile: 'mk mak',
  mathematica: 'wl',
  matlab: 'm',
  nim: 'nim',
  nix: 'nix',
  ocaml: 'ml mli',
  pascal: 'pas pp dpr',
  perl: 'pl pm t',
  php: 'php',
  powershell: 'ps1 psm1 psd1',
  prolog: 'pro prolog',
  'protocol buffer': 'proto',
  python: 'py pyi pyw',
  r: 'r',
  racket: 'rkt',
  restructuredtext: 'rst',
  ruby: 'rb rake gemspec',
  rust: 'rs',
  sass: 'sass scss',
  scala: 'scala sc',
  scheme: 'scm ss',
  shell: 'sh bash zsh ksh fish',
  solidity: 'sol',
  sql: 'sql',
  svelte: 'svelte',
  swift: 'swift',
  systemverilog: 'sv svh',
  tcl: 'tcl',
  tex: 'tex sty cls',
  typescript: 'ts mts cts tsx',
  verilog: 'v vh',
  vhdl: 'vhd vhdl',
  'vim script': 'vim',
  vue: 'vue',
  webassembly: 'wat wast',
  zig: 'zig',
};

const byEnding = new Map(
  Object.entries(endings).flatMap(([language, all]) => all.split(' ').map((ending) => [ending, language])),
);

const byName = new Map([
  ['makefile', 'makefile'],
  ['gnumakefile', 'makefile'],
  ['dockerfile', 'dockerfile'],
  ['cmakelists.txt', 'cmake'],
  ['rakefile', 'ruby'],
  ['gemfile', 'ruby'],
  ['jenkinsfile', 'groovy'],
]);

/** Programs that a first line `#!` names, without their versions. */
const byInterpreter = new Map([
  ...['sh', 'bash', 'dash', 'zsh', 'ksh', 'fish'].map((name) => [name, 'shell'] as const),
  ['python', 'python'],
  ['perl', 'perl'],
  ['ruby', 'ruby'],
  ['node', 'javascript'],
  ['php', 'php'],
  ['lua', 'lua'],
  ['tclsh', 'tcl'],
  ['Rscript', 'r'],
]);

/** The language of a file by its name; undefined when it is no source code. */
export function languageOfName(name: string): string | undefined {
  const base = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const known = byName.get(base);
  if (known !== undefined) return known;
  const dot = base.lastIndexOf('.');
  return dot > 0 ? byEnding.get(base.slice(dot + 1)) : undefined;
}

/** The language of a script by its first bytes: `#!/usr/bin/env python3` is Python. */
export function languageOfScript(head: Uint8Array): string | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined;
  const line = Buffer.from(head).toString('latin1').slice(2).split('\n')[0]!;
  const words = line.trim().split(/\s+/);
  const first = words.findIndex((word) => !/(^|\/)env$/.test(word) && !/^-|=/.test(word));
  const program = words[first]?.split('/').at(-1) ?? '';
  return byInterpreter.get(program.replace(/[\d.]+$/, ''));
}
