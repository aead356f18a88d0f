/** The beginning of a long text, with its length; never half a character. */
export function clip(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const whole = text.slice(0, chars).replace(/[\uD800-\uDBFF]$/, "");
  return `${whole}… (${text.length} characters)`;
}
