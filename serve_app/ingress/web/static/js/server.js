// What the server has: its models, languages and voices. A key, where it asks for one, lives in the tab.

const KEY = "chorus-key";

/** `kind`: `key` where the server asks for one, `away` where it does not answer. */
export class ServerError extends Error {
  constructor(kind, message = "") {
    super(message || kind);
    this.kind = kind;
  }
}

export function savedKey() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function saveKey(key) {
  sessionStorage.setItem(KEY, key);
}

/**
 * `{models: [{id, languages, ready, simulated, …}], names: {en: "English", …}}`, live models alone.
 * @throws {ServerError}
 */
export async function offer(key) {
  const [list, languages] = await Promise.all([get("v1/models", key), get("api/languages", key)]);
  return { models: list.data.filter((model) => model.streaming), names: languages.languages };
}

/**
 * What a conversation can be had in: `{models: [{id, translations: {en: ["ru", …]}, …}], names,
 * voices: {ru: ["anna", …]}}`, the usual model and each language's usual voice first.
 * @throws {ServerError}
 */
export async function offerOfTranslation(key) {
  const [list, languages, health, voices] = await Promise.all([
    get("v1/models", key),
    get("api/languages", key),
    get("health", key),
    get("v1/audio/voices", key),
  ]);
  const models = list.data.filter(({ translations }) => Object.keys(translations ?? {}).length > 0);
  const isUsual = ({ id }) => id === health.translation_model;
  models.sort((one, other) => isUsual(other) - isUsual(one));
  const byLanguage = {};
  for (const { id, language } of voices.data) (byLanguage[language] ??= []).push(id);
  return { models, names: languages.languages, voices: byLanguage };
}

/** Why a socket was refused: browsers tell a page no more than that it was. */
export async function whyRefused(key) {
  try {
    await get("v1/models", key);
  } catch (error) {
    return error.kind;
  }
  const ready = await fetch("ready").catch(() => null);
  if (!ready) return "away";
  return ready.ok ? "at_capacity" : "model_unavailable";
}

async function get(path, key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  let response;
  try {
    response = await fetch(path, { headers, signal: AbortSignal.timeout(15_000) });
  } catch {
    throw new ServerError("away");
  }
  if (response.status === 401) throw new ServerError("key");
  if (!response.ok) throw new ServerError("away", `${response.status}`);
  return response.json();
}
