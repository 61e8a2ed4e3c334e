// The languages of code that can be coloured: those of the vendored highlight.js, by all the names
// that models give them. tests/js/languages.test.mjs holds the two together.

const LANGUAGES = {
  "Bash": "bash sh zsh",
  "C": "c h",
  "C#": "csharp cs c#",
  "C++": "cpp cc c++ h++ hpp hh hxx cxx",
  "CSS": "css",
  "Diff": "diff patch",
  "Go": "go golang",
  "GraphQL": "graphql gql",
  "HTML": "html xhtml",
  "INI": "ini",
  "Java": "java jsp",
  "JavaScript": "javascript js mjs cjs",
  "JSON": "json jsonc json5",
  "JSX": "jsx",
  "Kotlin": "kotlin kt kts",
  "Less": "less",
  "Lua": "lua",
  "Makefile": "makefile mk mak make",
  "Markdown": "markdown md mkdown mkd",
  "Objective-C": "objectivec mm objc obj-c",
  "Perl": "perl pl pm",
  "PHP": "php",
  "Python": "python py gyp ipython",
  "Python console": "python-repl pycon",
  "R": "r",
  "Ruby": "ruby rb gemspec podspec thor irb",
  "Rust": "rust rs",
  "SCSS": "scss",
  "Shell session": "shell console shellsession",
  "SQL": "sql",
  "SVG": "svg",
  "Swift": "swift",
  "TOML": "toml",
  "TSX": "tsx",
  "TypeScript": "typescript ts mts cts",
  "Visual Basic .NET": "vbnet vb",
  "WebAssembly": "wasm",
  "XML": "xml rss atom xsd xsl plist wsf",
  "YAML": "yaml yml",
};
const PLAIN = new Set(["text", "txt", "plain", "plaintext"]);
const LONGEST_NAME = 30;

const NAMES = new Map(
  Object.entries(LANGUAGES).flatMap(([name, words]) => words.split(" ").map((word) => [word, name])),
);

/** Whether code that is said to be in `word` can be coloured. */
export const canColour = (word) => NAMES.has(word.toLowerCase());

export const knownWords = () => [...NAMES.keys()];

/** How the language is called for people. What nobody knows is called as the model did. */
export function languageName(word) {
  if (word === "" || PLAIN.has(word.toLowerCase())) return "Text";
  return NAMES.get(word.toLowerCase()) ?? word.slice(0, LONGEST_NAME);
}
