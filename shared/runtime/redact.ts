/**
 * Keeps secrets out of log lines. Works on the finished line, so that child bindings, nested objects and error messages
 * are all covered: (1) string values under secret-looking keys, also in JSON quoted inside a string, (2) what follows
 * `Bearer` or `Basic`, (3) user names and passwords in URLs, (4) the secrets of the configuration themselves, wherever
 * they stand. Numbers stay: `tokens` is a count here far more often than a credential.
 */

const HIDDEN = "(hidden)";
const KEY = "[\\w.-]*(?:authorization|api[_-]?key|token|password|passwd|secret|credential|cookie)[\\w.-]*";
const KEYED = new RegExp(`("${KEY}"\\s*:\\s*\\[?\\s*)"(?:[^"\\\\]|\\\\.)*"`, "gi");
const KEYED_IN_TEXT = new RegExp(`(\\\\"${KEY}\\\\"\\s*:\\s*\\[?\\s*)\\\\"(?:[^"\\\\]|\\\\[^"])*\\\\"`, "gi");
const SCHEME = /\b(Bearer|Basic)\s+[\w.~+/=-]+/gi;
const USER_INFO = /(\w:\/\/)[^/@\s"\\]*@/g;

/** A function from line to line; `secrets` shorter than 4 characters are ignored (they would garble every line). */
export function redactor(secrets: readonly (string | undefined)[] = []): (line: string) => string {
  const known = secrets.flatMap((secret) =>
    secret === undefined || secret.length < 4 ? [] : [JSON.stringify(secret).slice(1, -1)],
  );
  known.sort((a, b) => b.length - a.length);
  return (line) => {
    let out = line
      .replace(KEYED, `$1"${HIDDEN}"`)
      .replace(KEYED_IN_TEXT, `$1\\"${HIDDEN}\\"`)
      .replace(SCHEME, `$1 ${HIDDEN}`)
      .replace(USER_INFO, `$1${HIDDEN}@`);
    for (const secret of known) out = out.replaceAll(secret, HIDDEN);
    return out;
  };
}
