"""Templates that try one rule each."""

EXPRESSIONS = r"""
'\n    x'.lstrip('\n')
'xxaxx'.strip('x')
'abcba'.rstrip('ab')
'  a '.strip() ~ '|'
'\x1ca\x85'.strip() ~ '|'
'\ufeffa'.strip()|length
'1' == 1
[1] == [1]
(1, 2) == (1, 2)
(1,) == [1]
{'a': 1} == {'a': 1.0}
1 == 1.0
1 == true
'😀'|length
'a😀b'[1]
'a😀b'[::-1]
'a😀b'.find('b')
1.0|tojson
[1.0, 2, 1e20, 1e-7, 123456789.123]|tojson
{'a': '<&>\'"', 'é': none, 1: true}|tojson
{'b': 1, 'a': [1, {'c': ()}]}|tojson(indent=2)
{'b': 1, 'a': 2}|tojson(sort_keys=true)
['é😀\x7f\u2028']|tojson
['é😀\x7f\u2028']|tojson(ensure_ascii=true)
[1, {'a': 2}]|tojson(separators=(',', ':'))
[1]|tojson(indent='--')
range(3)|tojson
nothing|tojson
nothing.x
nothing.x.y
{}.x
{}.x.y
nothing
nothing is defined
nothing|default('d')
''|default('d')
''|default('d', true)
none
none|string
true
tools is not none
tools is defined
documents is none
'%s and %5.2f|%-5d|%05d' % ('a', 3.14159, 42, -7)
'%s' % 'x'
'%s %s' % 'x'
'%d' % 3.9
'%x %X %o %e %g' % (255, 255, 8, 12345.678, 0.00001)
'%(a)s' % {'a': 1}
'%r' % 'a\'b'
'%%'  % ()
'%5s|%-5s|' % ('a', 'b')
'%.2s' % 'abcdef'
'%c%c' % (65, 'b')
'%+d % d' % (5, 5)
'{} {1}'.format(1, 2)
'{} {}'.format(1, 2)
'{0} {1} {0}'.format('a', 'b')
'{a:>8}|{b:<6}|{c:^7}|'.format(a=1, b='x', c='yy')
'{:.2f} {:e} {:g} {:,} {:08.3f} {:+d} {:%}'.format(1.005, 12345.6, 0.1, 1234567, 3.14159, 5, 0.25)
'{!r} {!s}'.format('a', 'b')
'{0[a]} {0.b}'.format({'a': 1, 'b': 2})
'{{}}'.format()
'{:*^9}|{:#x}|{:b}|{:c}'.format('mid', 255, 5, 65)
'{:{w}}|'.format('a', w=5)
'Hello World'.title()
'hello wORLD-foo (bar) it\'s'|title
'hello wORLD it\'s'.title()
'ǆa ßx'.title()
'hELLO'.capitalize()
'hELLO'|capitalize
'ß'.upper()
'Σας ΑΣ'.lower()
'a,b,,c'.split(',')
'a b  c '.split()
'a b  c d'.split(' ', 1)
' a b  c d '.split(none, 1)
'a b c'.rsplit(' ', 1)
' a b c '.rsplit(none, 1)
'a,b'.split('')
'abc'.split('', 1)
'a\nb\r\nc\x0bd\n'.splitlines()
'a\nb\n'.splitlines(true)
'abcabc'.replace('b', 'X', 1)
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'abc'|replace('b', 'x')
'aaa'|replace('a', 'b', 2)
'abc'.startswith('ab')
'abc'.startswith(('x', 'ab'))
'abc'.startswith('b', 1)
'abc'.endswith(('x', 'bc'))
'abc'.find('c')
'abc'.find('z')
'abc'.index('z')
'abc'.rfind('c')
'abcabc'.count('bc')
'abc'.count('')
'abc'.removeprefix('ab')
'abc'.removesuffix('bc')
'abc'.removesuffix('')
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('x')
'x'.join(['a', 'b'])
'x'.join([1, 2])
'abc'.center(10)
'abc'.center(8, '*') ~ '|' ~ 'ab'.center(7, '*')
'abc'.ljust(5) ~ '|' ~ 'abc'.rjust(5)
'-42'.zfill(6)
'aBc'.swapcase()
'a\tb'.expandtabs(4)
'abc'.isalpha() ~ 'a1'.isalnum() ~ '12'.isdigit() ~ ' '.isspace() ~ ''.isspace()
'Abc Def'.istitle() ~ 'ABC'.isupper() ~ 'abc'.islower()
'abc'.encode is defined
'abc'.foo is defined
'abc'['upper']()
'abc'.__class__
{}.__class__
[].append(1)
{}.update({})
{'update': 1}.update
{'update': 1}['update']
{'items': 1}.items
{'items': 1}['items']
{'a': 1}.items()
{'a': 1}.keys()
{'a': 1}.values()|list
{'a': 1}.get('b')
{'a': 1}.get('b', 2)
{'a': 1}['a']
{1: 'x', 'b': 'y'}[1]
{1: 'x', true: 'y'}
{'a': 1, 'a': 2}
{[1]: 2}
{(1, 2): 3}[(1, 2)]
[1, 2, 3][-1]
[1, 2, 3][5]
[1, 2, 3][5] is defined
[1, 2, 3][1:]
[1, 2, 3][::-1]
[1, 2, 3][::2]
[1, 2, 3][-2:]
[1, 2, 3][2:0:-1]
[1, 2, 3][::0]
'abcdef'[1:-1]
'abcdef'[::-2]
n[1:]
d[1:]
tools[:1]
l['a':]
nothing[1:]
[1, 2][none:1]
'{:05}|{:<05}'.format('ab', 7)
'a'|center(none)
(-2) ** 2.0
(1, 2, 3)[1:]
(1,)
()
(1, 2)
[1, 2.0, 'a', none, true, 'it\'s', "q\"'"]
['\n\t\\\x00é\u200b😀\xa0']
{'a': [1, {'b': ()}]}
7 // 2
-7 // 2
7 // -2
7 % -3
-7 % 3
7.5 // 2
-7.5 % 2
7 / 2
6 / 2
2 ** 3
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
1 / 0
1 % 0
1.0 // 0
0.1 + 0.2
1e16
1e15
1e22
123456789012345678
1.5e-5
0.0001
1_000 + 0x1F + 0b11 + 0o17
10 ** 30
(10 ** 30) / 3
1 + true
'a' + 1
'a' * 3
3 * 'ab'
[1] * 2
'a' ~ 1 ~ none ~ 2.0
[1] + [2]
(1,) + (2,)
[1] + (2,)
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
'a' < 'b'
'a' < 1
[1, 2] < [1, 3]
none < 1
nothing < 1
1 in [1, 2]
1 not in [1, 2]
'a' in 'abc'
1 in 'abc'
'a' in {'a': 1}
'a' in nothing
not 1 == 2
not true and false
1 and 2
0 or 'x'
none or false
'' and 1
1 if true
1 if false
(1 if false) is defined
1 if false else 2
1 if true else 2 if true else 3
not nothing
-'a'
+true
-nothing
1|abs
-1|abs
(-1)|abs
-1.5|abs
'x'|abs
'3'|int + 1
'3.7'|int
'x'|int
'x'|int(7)
'0x1F'|int(base=16)
'1_000'|int
3.9|int
none|int
nothing|int
'3.5'|float
'x'|float
'inf'|float
3|float
2.5|round
3.5|round
2.675|round(2)
0.125|round(2)
1234|round(-2)
25|round(-1)
42.55|round(1, 'floor')
42.15|round(1, 'ceil')
42|round
true|round
[3, 1, 2]|sort
['b', 'A', 'c']|sort
['b', 'A', 'c']|sort(case_sensitive=true)
[3, 1, 2]|sort(reverse=true)
[{'a': 2}, {'a': 1}]|sort(attribute='a')
[{'a': 2, 'b': 1}, {'a': 1, 'b': 2}, {'a': 1, 'b': 1}]|sort(attribute='a,b')
[1, 'a']|sort
[3, 1, 2]|max
[3, 1, 2]|min
['b', 'A']|min
[]|max
[]|max is defined
[{'a': 2}, {'a': 1}]|max(attribute='a')
[1, 2, 3]|sum
[]|sum
[1.5, 2]|sum
['a']|sum
[{'a': 2}, {'a': 1}]|sum(attribute='a')
[[1], [2]]|sum(start=[])
[1, 'a', none]|join(',')
'abc'|join('-')
[{'a': 1}, {'a': 2}]|join(',', attribute='a')
['a', 'b']|map('upper')|list
['a', 'b']|map('replace', 'a', 'x')|list
[{'a': 1}, {}]|map(attribute='a')|list
[{'a': 1}, {}]|map(attribute='a', default=7)|list
[{'a': {'b': 1}}]|map(attribute='a.b')|list
[[1, 2], [3, 4]]|map(attribute=0)|list
[1]|map|list
[1, 2, 3, 4]|select('odd')|list
[0, 1, '', 'a']|select|list
[1, 2, 3, 4]|reject('odd')|list
[1, 2, 3]|select('gt', 1)|list
[1, 2, 3]|select('in', [1, 3])|list
[{'a': 1}, {'a': 0}]|selectattr('a')|list
[{'a': 1}, {'a': 0}]|selectattr('a', 'equalto', 1)|list
[{'a': 1}, {'a': 0}, {}]|selectattr('a', 'defined')|list
[{'a': 1}, {'a': 0}]|rejectattr('a')|list
[1, 1, 2, 'a', 'A']|unique|list
['a', 'A']|unique(case_sensitive=true)|list
[1, 2, 3, 4, 5]|batch(2)|list
[1, 2, 3, 4, 5]|batch(2, 'x')|list
[1, 2, 3, 4, 5]|slice(2)|list
[1, 2, 3, 4, 5]|slice(3, 'x')|list
[1, 2, 3]|reverse|list
'abc'|reverse
{'b': 1, 'a': 2}|dictsort
{'b': 1, 'A': 2}|dictsort(true)
{'b': 1, 'a': 2}|dictsort(by='value')
{'b': 1, 'a': 2}|dictsort(reverse=true)
{'b': 1, 'a': 2}|items|list
nothing|items|list
[{'a': 1, 'b': 2}, {'a': 2}, {'a': 1}]|groupby('a')
[{'a': 'x'}, {'a': 'X'}]|groupby('a')
([{'a': 1}]|groupby('a'))[0].grouper
([{'a': 1}]|groupby('a'))[0].list
[1, 2]|first
[]|first
[]|first is defined
[1, 2]|last
'abc'|last
{'a': 1, 'b': 2}|last
[1]|map('string')|last
'abc'|list
{'a': 1}|list
5|list
[1, 2]|length
{'a': 1}|count
5|length
nothing|length
'  a '|trim ~ '|'
'xxaxx'|trim('x')
5|trim
'aBc'|upper ~ 'aBc'|lower
5|upper
none|upper
nothing|upper
'a\nb\n\nc'|indent
'a\nb\n\nc'|indent(2, true, true)
'a\nb'|indent('> ')
'a b, c-d'|wordcount
'abc def ghi'|truncate(5, leeway=0)
'abc def ghi'|truncate(5, true, leeway=0)
'abc def ghi'|truncate(9, end='!', leeway=0)
1000000|filesizeformat
1|filesizeformat
5000|filesizeformat(true)
'%s-%s'|format('a', 1)
'%(a)s'|format(a=3)
'a b/é'|urlencode
'<a>'|e
'<a>'|safe + '<b>'
'<b>' + ('<a>'|e)
('<a>'|e)|upper
['<']|join('>')|safe
'abc'|attr('upper')
{'a': 1}|attr('a')
5 is odd
5 is even
9 is divisibleby 3
9 is divisibleby(4)
5 is number
5.0 is integer
5 is integer
5.0 is float
true is number
true is integer
true is boolean
'a' is string
[] is iterable
5 is iterable
'a' is sequence
{} is sequence
{} is mapping
[] is mapping
none is none
nothing is undefined
'a' is lower
'A' is upper
1 is sameas 1
true is sameas true
1 is sameas true
1 is eq 1
1 is == 1
2 is gt 1
1 is in [1]
'upper' is filter
'nope' is filter
'odd' is test
range is callable
5 is callable
5 is not odd
5 is nope
5|nope
range(5)
range(5)|list
range(1, 10, 3)|list
range(5, 0, -2)|list
range(5)[1:3]
range(5)[-1]
range(0)|length
range(100001)
range(3) == range(3)
3 in range(5)
dict(a=1, b=2)
dict({'a': 1}, b=2)
dict([('a', 1)])
namespace(a=1)
namespace(a=1).a
namespace(a=1).b
namespace(a=1)['a']
cycler('a', 'b').next()
joiner(',')() ~ '|'
raise_exception('no')
strftime_now('%Y-%m-%d %H:%M:%S %b %d %B %A %j %p %I %y %f %U %W %u %w %e %-d %%')
messages[0].content
messages[0]['content']
messages[0].role.upper()
messages[-1].nope
messages[-1].nope.x
messages|map(attribute='role')|join(',')
messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list
(messages|selectattr('role', 'equalto', 'user')|list)[0].content
messages|length
messages[0].content[:3]
messages.0.role
bos_token
bos_token + eos_token
bos_token ~ nothing
'\u00e9\x41\101\n'|length
'\é'
'a' 'b'
"it's" ~ 'say "x"'
[1, 2, 3,]
{'a': 1,}
(1, 2,)
1, 2
'a'.upper().lower().title()
[[1, 2], [3]][0][1]
'abc' is string and 1
1 is string or 2
'x' if 'a' is string else 'y'
'a'|upper|lower ~ 'B'|lower
(1 + 2) * 3 ~ ''
1 + 2 * 3 - 4 / 2
'a' ~ 1 + 2
1 + 2 ~ 'a'
1 ~ 2 * 3
{'a': 1}|length + 1
-1 ** 2
- -1
+-1
not not 1
'a' not in 'abc'
not 'a' in 'abc'
[1, 2, 3] | first + 1
a.b.c
loop
self
caller
true.real
5 .real
'a'|default
None == none
True == true
1.
.5
07
'unterminated
{{
'a' | upper(
foo(
"\N{DASH}"
"\xZZ"
"\q\'"
'a
b'
"""

# One block each, with what they try in their text.
BLOCKS = [
    "{% for x in [1,2,3] %}{{ loop.cycle('a','b') }}{{ loop.index }}{{ loop.first }}{{ loop.last }}{% endfor %}",
    "{% for x in [1,1,2] %}{{ loop.changed(x) }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{% endfor %}",
    "{% for x in [1,2,3] %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.length }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in [1,2,3] %}a{% if x == 2 %}b{% break %}{% endif %}c{% endfor %}",
    "{% for x in [1,2,3] %}a{% if x == 2 %}b{% continue %}{% endif %}c{% endfor %}",
    "{% for x in [1,2,3] %}{% if x == 2 %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "{% for x in [1] %}{% break %}{% else %}none{% endfor %}",
    "{% for x in [1, 2] %}{% continue %}{% else %}none{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in nothing %}a{% else %}none{% endfor %}",
    "{% for x in 5 %}a{% endfor %}",
    "{% for x in none %}a{% endfor %}",
    "{% for x in 'a😀b' %}{{ x }},{% endfor %}",
    "{% for k in {'a': 1} %}{{ k }}{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in {'a': 1}|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in [1,2,3,4] if x is even %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for x in [1,2,3,4] if x is even %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else %}{{ x }}{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in [1,2] %}{% for y in [1,2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in [1,2] %}{% set l = loop %}{% for y in [1,2] %}{{ l.index }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% for x in [1,2]|map('string') %}{{ loop.last }}{{ loop.length }}{{ x }}{% endfor %}",
    "{% set g = [1,2]|map('string') %}{{ g|list }}{{ g|list }}",
    "{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in [1,2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in [1,2] %}{{ messages }}{% endfor %}{% set messages = 1 %}",
    "{% for i in [1,2] %}{{ bos_token }}{% endfor %}{% set bos_token = 1 %}{{ bos_token }}",
    "{{ bos_token }}{% for i in [1,2] %}{{ bos_token }}{% endfor %}{% set bos_token = 1 %}{{ bos_token }}",
    "{% if false %}{% set bos_token = 1 %}{% endif %}{{ bos_token }}",
    "{% if nothing %}{% set y = 1 %}{% else %}{% set z = 2 %}{% endif %}{{ y }}{{ z }}",
    "{% set ns = namespace(a=0) %}{% for i in [1,2,3] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
    "{% set d = {} %}{% set d.a = 1 %}{{ d }}",
    "{% set ns = namespace(a=0) %}{% set ns.a, x = 1, 2 %}{{ ns.a }}{{ x }}{{ ns }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set a, b = 1 %}",
    "{% set x %}a{{ 1 }}\n b{% endset %}[{{ x }}]{{ x is string }}",
    "{% set x | upper | replace('A', 'c') %}a{{ 1 }}b{% endset %}[{{ x }}]",
    "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(b=1, a=2) }}|{{ m() }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x=1) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{% endcall %}",
    "{% macro m() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b=3) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m() }}",
    "{% macro m() %}{% set x = 6 %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m() }}{{ x }}",
    "{% macro m(x) %}{{ x|default('d') }}{% endmacro %}{{ m() }}{{ m(nothing) }}{{ m(none) }}",
    "{% macro m() %}a{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}",
    "{% set m = 1 %}{% macro m() %}a{% endmacro %}{{ m() }}",
    "{% if true %}{% macro m() %}a{% endmacro %}{% endif %}{{ m() }}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m() %} a {% endmacro %}[{{ m()|trim }}]{{ m() is string }}{{ m()|length }}",
    "{% call raise_exception('x') %}a{% endcall %}",
    "{% filter upper %}a{{ 'b' }}{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}a{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% raw %}{{ a }}{% if %}{% endraw %}",
    " {%- raw -%} {{ a }} {%- endraw -%} b",
    "a\n  {% raw %}\n x\n  {% endraw %}\nb",
    "{% block a %}x{{ bos_token }}{% endblock %}",
    "{% set q = 1 %}{% block a %}{{ q }}{% endblock a %}",
    "{% for i in [1] %}{% block b %}{{ i }}{% endblock %}{% endfor %}",
    "{% print 1, 'a' %}",
    "{% generation %}a{{ 1 }}{% set x = 2 %}{% endgeneration %}{{ x }}",
    "{%- generation -%} a {%- endgeneration -%} b",
    "{% for i in [1,2] %}{% generation %}{{ i }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% for i in [1,2] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% break %}",
    "{% for i in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for i in [1,2] %}{% set x %}a{% break %}{% endset %}{{ x }}{% endfor %}b",
    "{% for i in [1,2] %}x{% filter upper %}a{% continue %}{% endfilter %}{% endfor %}b",
    "{% for loop in [1] %}{% endfor %}",
    "{% for i in [1] %}{% set loop = 1 %}{% endfor %}",
    "{% set loop = 1 %}{{ loop }}",
    "{% set none = 1 %}",
    "{% set true = 1 %}",
    "{% if 1 %}a{% elif 2 %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 2 %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 0 %}b{% else %}c{% endif %}",
    "{% if 1, 2 %}a{% endif %}",
    "{% if %}a{% endif %}",
    "{% if 1 %}a",
    "{% endif %}",
    "{% nope %}",
    "{% if false %}{{ 1|nope }}{% endif %}x",
    "{% if true %}{{ 1|nope }}{% endif %}x",
    "{% for i in [] %}{{ 1|nope }}{% endfor %}x",
    "{% if false %}{% for i in [] %}{{ 1|nope }}{% endfor %}{% endif %}x",
    "{{ 1 if true else 2|nope }}",
    "{{ 1 if false else 2|nope }}",
    "{{ 2|nope if false else 1 }}",
    "{% if 1 is nope %}{% endif %}",
    "{% if x is defined and x is nope %}a{% endif %}",
    "{{ f(a=1, a=2) }}",
    "{{ dict(**{'a': 1}) }}{{ range(*[1, 3])|list }}",
    "{{ dict(a=1, **{'a': 2}) }}",
    "{{ dict(*[[('a', 1)]], **{'b': 1}) }}",
    "{{ range(start=1) }}",
    "{% include 'x' %}",
    "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}",
    "{% set j = joiner() %}{{ j() }}a{{ j() }}b",
    "{{ namespace(a=1, b='x') }}",
    "a\n{# c #}\nb",
    "a {#- c -#} b",
    "a\n  {#+ c #}\nb",
    "a {# unclosed",
    "{# {{ nope #}x",
    "  {% if true %}\n  a\n  {% endif %}\n  b\n",
    "  {%+ if true %}\n  a\n  {%+ endif +%}\n  b\n",
    "  {%- if true -%}\n  a\n  {%- endif -%}\n  b\n",
    "a\r\nb\r{% if true %}\r\nc{% endif %}\r\n",
    "{{ 'a\r\nb' }}\r\n\r\n",
    "x\n\n",
    "x\n",
    "\n",
    "",
    "{{- 'a' -}}  b",
    "a  {{-1}}",
    "a  {{+1}}",
    "a  {{ 1 +}}",
    "{{ 'a' }}\nb",
    "{{ {'a': {'b': 1}} }}",
    "{{ {'a': {'b': 1}}['a']['b'] }}{{'}}'}}",
    "{% set x = {'a': '%}'} %}{{ x }}",
    "\x1c{%- if true %} a{% endif %}",
    "a\n\xa0{% if true %}b{% endif %}",
    "x\n\t {% if true %}\n\n{% endif %}",
    "{% if true %}   \n a{% endif %}",
    "{{ messages[0]['content'].split('\\n')[-1].lstrip('\\n') }}",
    "{% for m in messages %}{{ m.role }}: {{ m.content if m.content is string else m.content|tojson }}\n{% endfor %}",
    "{% for m in messages -%}\n {{ m.role }} \n {%- endfor %}",
]

TEMPLATES = [*(f"{{{{ {line} }}}}" for line in EXPRESSIONS.strip("\n").split("\n")), *BLOCKS]
