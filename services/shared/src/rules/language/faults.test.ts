import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkExpression, compileExpression } from './expression.ts'
import { SCHEMA } from './testing.ts'

/** An expression, and under it what is wrong: marked, and in words. */
const FAULTS = String.raw`
avg(temprature, '1m') > 8
    ~~~~~~~~~~ unknown measurement temprature at line 1, column 5; did you mean temperature?

avg(door, '1m') > 8
    ~~~~ avg needs a number, but door is a Symbol at line 1, column 5; last(door) is what can be compared

avg(temperature, '48h') > 8
                 ~~~~~ the window '48h' is longer than 24h at line 1, column 18

avg(temperature, '500ms') > 8
                 ~~~~~~~ the window '500ms' is shorter than 1s at line 1, column 18

avg(temperature, '5min') > 8
                 ~~~~~~ '5min' is not a window at line 1, column 18; write a whole number and its unit: '90s', '5m', '24h'

avg(temperature, 1m) > 8
                 ~~ a window is written in quotes at line 1, column 18; write '1m'

avg(temperature, 5min) > 8
                 ~~~~ a window is written in quotes at line 1, column 18; write '5m'

avg(temperature, 5) > 8
                 ~ the window of avg is a text at line 1, column 18; write it in quotes: '90s', '5m', '24h'

avg(temperature) > 8
~~~~~~~~~~~~~~~~ avg takes a measurement and a window at line 1, column 1; write avg(temperature, '5m')

avg() > 8
~~~~~ avg takes a measurement and a window at line 1, column 1; write avg(temperature, '5m')

avg(last(temperature), '5m') > 8
    ~~~~~~~~~~~~~~~~~ avg takes the name of a measurement at line 1, column 5; write avg(temperature, '5m')

avgg(temperature, '5m') > 8
~~~~ unknown function avgg at line 1, column 1; did you mean avg?

mean(temperature, '5m') > 8
~~~~ unknown function mean at line 1, column 1; write avg(temperature, '5m')

foo(temperature) > 8
~~~ unknown function foo at line 1, column 1; there are last, avg, min, max, sum, count, rate, delta, stddev, percentile, absent, offline, anomaly, eventCount, eventAnomaly, has, size

last(door) == closed
              ~~~~~~ unknown name closed at line 1, column 15; a text is written in quotes: 'closed'

last(door) = 'closed'
           ~ "=" is not expected at line 1, column 12; write == to compare

last(door) == 'closed
              ~~~~~~~ the text has no closing quote at line 1, column 15; a text stands between two quotes of one kind

last(door) == "closed'
              ~~~~~~~~ the text has no closing quote at line 1, column 15; a text stands between two quotes of one kind

last(door) == 5
~~~~~~~~~~~~~~~ == compares two numbers, two texts or two truth values, and here are a text and a number at line 1, column 1

last(temperature) == '5'
~~~~~~~~~~~~~~~~~~~~~~~~ == compares two numbers, two texts or two truth values, and here are a number and a text at line 1, column 1; write 5 without quotes

last(on) == 'true'
~~~~~~~~~~~~~~~~~~ == compares two numbers, two texts or two truth values, and here are a truth value and a text at line 1, column 1; write true without quotes

temperature > 8
~~~~~~~~~~~ temperature is a measurement and not a value at line 1, column 1; last(temperature) is its newest value

avg(temperature, '5m')
~~~~~~~~~~~~~~~~~~~~~~ the expression is a number and not a condition at line 1, column 1; compare it, as in avg(temperature, '5m') > 8

last(door)
~~~~~~~~~~ the expression is a text and not a condition at line 1, column 1; compare it, as in last(door) == 'open'

last(temperature) > 8 and last(door) == 'open'
                      ~~~ "and" is not expected at line 1, column 23; write && for and

last(temperature) > 8 & last(door) == 'open'
                      ~ "&" is not expected at line 1, column 23; write && for and

last(temperature) > 
                    ^ the expression ends too early at line 1, column 21; a value is missing

last(temperature > 8
                    ^ the expression ends too early at line 1, column 21; ) is missing

(last(temperature) > 8
                      ^ the expression ends too early at line 1, column 23; ) is missing

last(temperature) > 8)
                     ~ ")" is not expected at line 1, column 22; there is no ( for it

1 < last(temperature) < 8
~~~~~~~~~~~~~~~~~~~~~~~~~ < compares two numbers or two texts, and here are a truth value and a number at line 1, column 1; join two comparisons with &&, as in 2 < last(x) && last(x) < 8

last(loop) > 5
     ~~~~ loop is a reserved word of CEL at line 1, column 6; a measurement of this name is written in quotes: last('loop')

true
~~~~ the expression reads nothing of the device at line 1, column 1; it needs a function, as in avg(temperature, '5m') > 8

'a' in labels
~~~~~~~~~~~~~ the expression reads nothing of the device at line 1, column 1; it needs a function, as in avg(temperature, '5m') > 8

last(door) in ['a', 5]
                    ~ the list holds a number, and to the left of in is a text at line 1, column 21

last(door) in []
              ~~ nothing is in an empty list at line 1, column 15

last(door) in 'abc'
              ~~~~~ in asks for a list at line 1, column 15; write last(door) in ['open', 'ajar'] or 'zone' in labels

[1,2].all(x, x > 1)
~~~~~~~~~~~~~~~~~~~ unknown method all at line 1, column 1; write in, as in last(door) in ['open', 'ajar']

last(temperature).abs() > 1
~~~~~~~~~~~~~~~~~~~~~~~ unknown method abs at line 1, column 1; compare both ways, as in last(x) > 3 || last(x) < -3

abs(last(temperature)) > 1
~~~ unknown function abs at line 1, column 1; compare both ways, as in last(x) > 3 || last(x) < -3

double(last(count)) > 1
~~~~~~ unknown function double at line 1, column 1; all numbers are of one kind, and nothing has to be converted

has(temperature)
~~~~~~~~~~~~~~~~ has asks for a label at line 1, column 1; write has(labels.zone)

has(labels['x'])
~~~~~~~~~~~~~~~~ has asks for a label at line 1, column 1; write has(labels.zone)

labels.zone
~~~~~~~~~~~ the expression is a text and not a condition at line 1, column 1; compare it, as in last(door) == 'open'

labels == 'x'
~~~~~~ labels is a map and not a value at line 1, column 1; write labels.zone, labels['zone'] or 'zone' in labels

device.id == 'x'
~~~~~~~~~ only labels have parts at line 1, column 1; write labels.zone, labels['zone'] or 'zone' in labels

device.startsWith(5)
                  ~ a text is needed and not a number at line 1, column 19; write it in quotes

startsWith(device, 'x')
~~~~~~~~~~ startsWith is written after the text it asks about at line 1, column 1; write device.startsWith('truck-')

device.matches('(')
               ~~~ the pattern can not be used (missing closing ): '(') at line 1, column 16; patterns are those of RE2

device.matches('(?=x)')
               ~~~~~~~ the pattern can not be used (invalid or unsupported Perl syntax: '(?=') at line 1, column 16; patterns are those of RE2

device.matches('(\p{L}{1000}){1000}')
                 ~~ the text has a \ that means nothing at line 1, column 18; write \\ for a backslash

temperature.avg('5m') > 8
~~~~~~~~~~~~~~~~~~~~~ avg is written as a function at line 1, column 1; write avg(temperature, '5m')

percentile(temperature, 95, '5m') > 8
                        ~~ the second argument of percentile is a number from 0 to 1 at line 1, column 25; write 0.95 for the 95th percentile

percentile(temperature, '5m') > 8
~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ percentile takes a measurement, a number from 0 to 1 and a window at line 1, column 1; write percentile(temperature, 0.95, '5m')

eventCount(login_failed, '5m') > 20
           ~~~~~~~~~~~~ eventCount takes a type of events at line 1, column 12; write it in quotes: 'login_failed'

eventCount('', '5m') > 20
           ~~ '' is no type of events at line 1, column 12; a type has 1 to 64 letters, digits, _ . and -

offline
~~~~~~~ offline is a function at line 1, column 1; write offline()

!last(temperature)
 ~~~~~~~~~~~~~~~~~ ! stands before a condition and not a number at line 1, column 2

-last(door) > 1
 ~~~~~~~~~~ - stands before a number and not a text at line 1, column 2

last(temperature) ? true : false
~~~~~~~~~~~~~~~~~ a condition stands before ? and not a number at line 1, column 1

last(on) ? 1 : 'a'
           ~~~~~~~ ? and : give one kind of value, and here are a number and a text at line 1, column 12

null == last(door)
~~~~ null is not used in rules at line 1, column 1; absent(temperature, '5m') tells missing readings

b'x' == last(door)
~~~~ bytes are not used in rules at line 1, column 1; write a text, without b

5u < last(count)
~~ unsigned numbers are not used in rules at line 1, column 1; write the number without u

99999999999999999999 < last(count)
~~~~~~~~~~~~~~~~~~~~ the number is not within ±9007199254740991 at line 1, column 1

1e999 < last(count)
~~~~~ 1e999 is too large for a number at line 1, column 1

.5 < last(count)
~ "." is not expected at line 1, column 1; a number has a digit before the point: 0.5

last(temperature) <> 5
                   ~ <> is not an operator at line 1, column 20; write !=

{'a': 1}
~~~~~~~~ maps are not used in rules at line 1, column 1

last(door) == ‘closed’
              ~ "‘" is not expected at line 1, column 15; write straight quotes: '

'\q' == last(door)
 ~~ the text has a \ that means nothing at line 1, column 2; write \\ for a backslash

devise == 'x' && offline()
~~~~~~ unknown name devise at line 1, column 1; did you mean device?

True && offline()
~~~~ unknown name True at line 1, column 1; did you mean true?

last(temperature, '5m') > 1
~~~~~~~~~~~~~~~~~~~~~~~ last takes a measurement at line 1, column 1; write last(temperature)

last(count) + 'x' > 1
~~~~~~~~~~~~~~~~~ + adds two numbers or two texts, and here are a number and a text at line 1, column 1

last(temperature) > 8 ||
                        ^ the expression ends too early at line 1, column 25; a value is missing

anomaly(door) > 0.9
        ~~~~ anomaly needs a number, but door is a Symbol at line 1, column 9; last(door) is what can be compared

last(temperature) > 8.5.5
                        ~ "5" is not expected at line 1, column 25; a name stands after a point

last(temperature) > 1 ? 2 : 
                            ^ the expression ends too early at line 1, column 29; a value is missing

#
~ "#" is not expected at line 1, column 1; it means nothing outside of quotes

last(temp-x) > 1
     ~~~~~~ last takes the name of a measurement at line 1, column 6; write last(temperature)

last(temperature)
~~~~~~~~~~~~~~~~~ the expression is a number and not a condition at line 1, column 1; compare it, as in avg(temperature, '5m') > 8

  > 8 &&
  ~ ">" is not expected at line 1, column 3; a value is missing before it

  lsat(door) == 'x'
  ~~~~ unknown function lsat at line 1, column 3; did you mean last?

last(constructor) > 1 constructor
                      ~~~~~~~~~~~ "constructor" is not expected at line 1, column 23; an operator is missing before it

last(on) toString
         ~~~~~~~~ "toString" is not expected at line 1, column 10; an operator is missing before it

(1 + ) > last(count)
     ~ ")" is not expected at line 1, column 6; a value is missing before it

last(on) && {
             ^ the expression ends too early at line 1, column 14; a value is missing

last(on) 😀
         ~~ "😀" is not expected at line 1, column 10; it means nothing outside of quotes

last(on) && device.matches('a') && device.matches('a') && device.matches('a') && device.matches('a') && device.matches('a')
                                                                                                                       ~~~ the expression has more than 4 patterns at line 1, column 120

device.matches('a{500}') && last(on)
               ~~~~~~~~ the pattern repeats too much (502 steps, at most 100) at line 1, column 16; patterns are those of RE2

device.matches(device) && last(on)
               ~~~~~~ the pattern of matches is a text in quotes at line 1, column 16; write device.matches('^truck-[0-9]+$')

device.size(1) > 1 && last(on)
~~~~~~~~~~~~~~ size takes nothing at line 1, column 1; write device.size()

device.startsWith() && last(on)
~~~~~~~~~~~~~~~~~~~ startsWith takes one text at line 1, column 1; write device.startsWith('truck-')

last(temperature).startsWith('x')
~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ startsWith asks about a text and not a number at line 1, column 1

last(temperature) in labels
~~~~~~~~~~~~~~~~~ the name of a label is a text and not a number at line 1, column 1

last(on) && last(temperature)
            ~~~~~~~~~~~~~~~~~ && joins conditions and not a number at line 1, column 13

labels[5] == 'x'
       ~ the name of a label is a text and not a number at line 1, column 8

last(door).foo == 'x'
~~~~~~~~~~~~~~ only labels have parts at line 1, column 1; write labels.zone, labels['zone'] or 'zone' in labels

cel.bind(x, 1, x > 0)
~~~~~~~~~~~~~~~~~~~~~ unknown method bind at line 1, column 1; write in, as in last(door) in ['open', 'ajar']

last(on) ? [1] : [2]
           ~~~ a list stands only to the right of in at line 1, column 12

timestamp('x') > 1
~~~~~~~~~ unknown function timestamp at line 1, column 1; rules see the time through windows, as in avg(temperature, '5m')

last(temperature) is 5
                  ~~ "is" is not expected at line 1, column 19; write == to compare

last(temperature) > 1e
                     ~ "e" is not expected at line 1, column 22; an operator is missing before it

last(temperature) === 8
                    ~ "=" is not expected at line 1, column 21; write == to compare

avg(temperature, window) > 8
                 ~~~~~~ the window of avg is a text at line 1, column 18; write it in quotes: '90s', '5m', '24h'

avg(tempreature_of_the_moon, '5m') > 8
    ~~~~~~~~~~~~~~~~~~~~~~~ unknown measurement tempreature_of_the_moon at line 1, column 5; the fleet has temperature, count, door, note, on, loop
`

for (const pair of FAULTS.trim().split('\n\n')) {
  const [text, under] = pair.split('\n') as [string, string]
  const [, indent, marks, message] = /^( *)(~+|\^) (.*)$/.exec(under) as unknown as [string, string, string, string]
  const fault = { message, line: 1, column: indent.length + 1, length: marks === '^' ? 0 : marks.length }
  test(`${text} is refused: ${message}`, () => {
    const result = compileExpression(text, SCHEMA)
    assert.deepEqual(result, { fault })
    assert.deepEqual(checkExpression(text, SCHEMA), fault)
  })
}

const faultOf = (text: string) => checkExpression(text, SCHEMA)

test('a fault is found on its line', () => {
  assert.deepEqual(faultOf("last(temperature)\n  > 8 &&\n  lsat(door) == 'x'"), {
    message: 'unknown function lsat at line 3, column 3; did you mean last?',
    line: 3,
    column: 3,
    length: 4,
  })
  assert.deepEqual(faultOf("last(door) == 'a\nb'"), {
    message: 'a text goes over the end of the line at line 1, column 17; close the quote, or write \\n for a new line',
    line: 1,
    column: 17,
    length: 1,
  })
})

test('an empty expression is refused', () => {
  const message = "the expression is empty at line 1, column 1; write avg(temperature, '5m') > 8"
  for (const text of ['', '  \n ']) assert.equal(faultOf(text)?.message, message)
})

test('what is too long, too deep or too much is refused', () => {
  const many = (text: string, times: number, by = ''): string => Array.from({ length: times }, () => text).join(by)
  const messages = [
    many('a', 3000),
    many('(', 2000),
    `${many('!', 1900)}last(on)`,
    `${many('-', 1900)}last(count) > 1`,
    many('last(on)', 140, ' && '),
    many('last(on) ? ', 100),
    many('[', 2000),
    Array.from({ length: 33 }, (_, i) => `avg(count, '${i + 1}m') > 1`).join('||'),
    `device.matches('${many('a', 300)}') && last(on)`,
  ].map((text) => faultOf(text)?.message)
  const complex = (column: number) =>
    `the expression is too complex at line 1, column ${column}; it may have 400 parts, nested 40 deep`
  assert.deepEqual(messages, [
    'the expression is too long (3000 characters, at most 2048) at line 1, column 2049',
    complex(41),
    complex(1502),
    complex(1502),
    complex(1),
    complex(435),
    complex(41),
    'the expression reads more than 32 different values at line 1, column 728; split it into several rules',
    'the pattern is too long (300 characters, at most 256) at line 1, column 16; patterns are those of RE2',
  ])
})
