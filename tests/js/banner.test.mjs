// What the page says of a connection, a provider or Redis that is away.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { patiently, rowsOf } from "../../static/js/banner.js";

const SINCE = "2026-11-28T09:00:00+00:00";
const OPENAI = { name: "openai", label: "OpenAI", state: "away", since: SINCE };
const ANTHROPIC = { name: "anthropic", label: "Anthropic", state: "away", since: SINCE };
const KEY = { ...OPENAI, state: "key_refused" };
const REDIS = { name: "redis", label: "Redis", state: "away", since: SINCE };
const USUAL = {
  connection: "ready",
  troubles: [],
  model: "openai:gpt-test",
  models: ["openai:gpt-test", "anthropic:claude-test"],
  mayAdminister: false,
  dismissed: [],
};

const rows = (changes) => rowsOf({ ...USUAL, ...changes });
const texts = (changes) => rows(changes).map(({ text }) => text);

test("nothing is said while all is well", () => {
  assert.deepEqual(rows({}), []);
});

test("a provider that is away is named, and another model offered", () => {
  assert.deepEqual(rows({ troubles: [OPENAI] }), [
    {
      key: `openai away ${SINCE}`,
      isUrgent: false,
      text: "OpenAI does not answer at the moment. Go on with another model, or try again in a while.",
      action: "choose-model",
    },
  ]);
});

test("where no other provider is there, nothing is offered but patience", () => {
  const patience = "OpenAI does not answer at the moment. Your questions are kept; try again in a while.";

  for (const changes of [
    { models: ["openai:gpt-test", "openai:gpt-other"], troubles: [OPENAI] },
    { troubles: [OPENAI, ANTHROPIC] },
  ]) {
    const [{ text, action }] = rows(changes);
    assert.deepEqual([text, action], [patience, undefined]);
  }
});

test("whoever asks another provider is not told", () => {
  assert.deepEqual(rows({ troubles: [OPENAI], model: "anthropic:claude-test" }), []);
  assert.deepEqual(rows({ troubles: [OPENAI], model: null }), []);
});

test("a key that is refused is told to administrators, whatever they ask", () => {
  const changes = { troubles: [KEY], model: "anthropic:claude-test" };

  assert.deepEqual(texts(changes), []);
  assert.deepEqual(texts({ ...changes, mayAdminister: true }), [
    "OpenAI does not accept the API key. Check it in the settings of the server, and which models it may use.",
  ]);
});

test("without Redis everybody is told what may be late, and administrators where to look", () => {
  const late = "Updates from other tabs and devices may come late at the moment. Nothing is lost.";

  assert.deepEqual(texts({ troubles: [REDIS] }), [late]);
  assert.deepEqual(texts({ troubles: [REDIS], mayAdminister: true }), [
    `${late} Redis does not answer: check that it runs, and the address in REDIS_URL.`,
  ]);
});

test("several are told at once, in the order in which the server names them", () => {
  assert.deepEqual(rows({ troubles: [OPENAI, REDIS] }).map(({ key }) => key), [
    `openai away ${SINCE}`,
    `redis away ${SINCE}`,
  ]);
});

test("a connection that is away is all there is to say", () => {
  const troubles = [OPENAI, REDIS];

  assert.deepEqual(rows({ troubles, connection: "waiting" }), [
    { key: "waiting", isUrgent: true, text: "The connection is lost. Trying again …" },
  ]);
  assert.deepEqual(texts({ troubles, connection: "offline" }), [
    "You are offline. It goes on by itself when the network is back.",
  ]);
  assert.deepEqual(rows({ troubles, connection: "logged-out" }), [
    { key: "logged-out", isUrgent: true, text: "Your session has ended. Your text is kept.", action: "log-in" },
  ]);
});

test("what was put away comes back when it happens again", () => {
  const dismissed = [`openai away ${SINCE}`];
  const again = { ...OPENAI, since: "2026-11-28T10:00:00+00:00" };

  assert.deepEqual(rows({ troubles: [OPENAI, REDIS], dismissed }).map(({ key }) => key), [
    `redis away ${SINCE}`,
  ]);
  assert.equal(rows({ troubles: [again], dismissed }).length, 1);
});

test("a state or a service of a later version is passed over", () => {
  const troubles = [{ ...OPENAI, state: "slow" }, { ...REDIS, name: "search" }, { ...REDIS, state: "slow" }];

  assert.deepEqual(rows({ troubles }), []);
});

test("that nothing is heard is shown when it has lasted, however often it was tried meanwhile", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const shown = [];
    const hear = patiently((state) => shown.push(state));

    hear("waiting");
    mock.timers.tick(1000);
    hear("waiting");
    hear("offline");
    mock.timers.tick(499);
    assert.deepEqual(shown, []);
    mock.timers.tick(1);
    assert.deepEqual(shown, ["offline"]);

    // From then on at once.
    hear("waiting");
    hear("ready");
    assert.deepEqual(shown, ["offline", "waiting", "ready"]);

    // A blink is never shown.
    hear("waiting");
    mock.timers.tick(1499);
    hear("ready");
    mock.timers.tick(5000);
    assert.deepEqual(shown.slice(3), ["ready"]);
  } finally {
    mock.timers.reset();
  }
});
