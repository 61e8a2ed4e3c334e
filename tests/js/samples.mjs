// Markdown as models write it, and as they should not.

export const SAMPLES = {
  "an answer": `# Title

A paragraph with **bold**
over two lines.

- one
- two

  still two

1. first

\`\`\`python
def f():

    return 1
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

> quoted
> more

The end.
`,
  "what looks like the end of a paragraph and is not": `Set
***bold and slanted*** here
#hashtag and
___init___ and
\`\`\`three ticks\`\`\` in a line
1.5 times
-5 degrees
+1
===equal
<b>bold</b> and <div
`,
  "headings under a line": `One
===
Two
---
Three
***
Four
`,
  "code of all kinds": `\`\`\`
\`\`\`
\`\`\`\`md
\`\`\`
inner
\`\`\`
\`\`\`\`
~~~ sh
echo "<&>"
\`\`\`
~~~~
  \`\`\`js
    indented();
  less();
 \tleast();
  \`\`\`
    indented code

    goes on

text
\`\`\`

\`\`\`
after \`\`\` it
\`\`\`\`
\`\`\` not an end
  \`\`\`  
\`\`\`no end

a
  `,
  "code that ends with the text": "```js\nlet a = 1;\n```",
  "code that ends before its line end": "```js\nlet a = 1;\n``",
  "code with nothing in it": "```js\n",
  "code with empty lines at its end": "~~~\na\n\n\n",
  "tight lists": `Intro:
- one
- two
  more of two
  - two a
  - two b
- [ ] open
- [x] done
lazy
* other
+ third
1. a
2. b
   \`\`\`sh
   ls

   pwd
   \`\`\`
3. c
7) seven
8) eight
- - -
- a
***
`,
  "a list that becomes loose late": `3. a
4. b
5. c

6. d
7. e

   more
   - x

   - y
8. f

After it.
`,
  "a loose list with gaps": `- [ ] a


- b

- c
  > quoted

   - d at three
-    e far
-
- f

      code

end
`,
  "a list whose last item makes it loose": "- a\n- b\n- c\n\n  more",
  tables: `| a | b |
|:--|--:|
| 1 | 2 |
| **3** | \`4|\` |
x | y
only one
| 5 | 6 | 7 |

a|b
-|-
1|2
# heading

para
| x | y |
| - | - |
| 1 | 2 |
> quote
| not | a table |
| -

| h |
|---|
`,
  quotes: `> a
> > b
> c
lazy
> - list
>   more

> > > deep
> \`\`\`
> code
> \`\`\`
after
>
> x
`,
  "tags and comments": `<div>
*a*

b
</div>

<!-- a comment

with a gap -->
<b>x</b>

<custom>
text
</custom>

a <br> b
<script>
x

y
</script>
z
`,
  "links named later": `See [one] and [two][2].

- [one]
- b

[one]: https://one.example "One"
[2]: <https://two.example>
  'Two'

And [one] again.
`,
  "line ends of other systems": "a\r\n\r\n- b\r\n- c\r\r```\rd\r\n```\r\n| e | f |\r\n|-|-|\r\n| 1 | 2 |\r\n| 3 | 4 |\r",
  formulas: `With $a_1 * b_2$ and \\(c_{1}*d\\) and $$e$$ it *is $x*y$ so*, for $5 and $10.
$$
f(x) = a
- b
+ c \\\\
= d
$$
And \\[
g_1 * h_2
> 0
\\] then

$$ i = j $$

- An item with $k_1$

  $$
  l
  - m
  $$
- Another

> \\[ n \\]

$$ never
# closed

\\[ to the end
- of the text`,
  "signs of many languages": "名前 **太字** は\n- 一\n- 二 🎉\n\nمرحبا _عالم_\n\n| é | ß |\n|-|-|\n| 👩‍👩‍👧 | ñ |\n| ı | İ |\n",
  "gaps and tabs": "\n\n  a\n \t\nb  \nc\\\nd\n\t\n\tcode\n\n\n-\ta\n\n-\tb\n\t\n\tc\n \n",
  nothing: "",
  "only spaces": "  \n \n",
};
