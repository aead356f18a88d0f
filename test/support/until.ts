/** Waits for a condition: asked again and again until it holds; a test that waits in vain says for what. */

const EVERY_MS = 10;

/** Resolves with the first answer that is neither undefined nor false. Throws after `withinMs`, 10 s by default. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 10_000,
): Promise<T> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > endMs) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
