/**
 * OLLAMA_HOST as Ollama itself reads it (its `envconfig.Host`): a host, host:port, :port or URL; the port is 11434
 * unless the scheme is written (then 80 or 443). An address that means "listen everywhere" is dialled on loopback.
 */

/** The URL of the server, or the text itself when it cannot be one, for the schema to refuse. */
export function ollamaUrl(text: string): string {
  const [, scheme, rest = ""] =
    /^(?:(https?):\/\/)?(.*)$/i.exec(text.trim().replace(/^["']|["']$/g, "")) ?? [];
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? "" : rest.slice(slash).replace(/\/+$/, "");
  const parts = hostAndPort(authority);
  if (parts === undefined) return text;
  const host = isEverywhere(parts.host) ? "127.0.0.1" : parts.host;
  const port = parts.port ?? (scheme === undefined ? "11434" : undefined);
  const url = `${(scheme ?? "http").toLowerCase()}://${host}${port === undefined ? "" : `:${port}`}${path}`;
  return URL.canParse(url) ? url : text;
}

/** Splits, keeping brackets of IPv6 and adding those that are missing. */
function hostAndPort(authority: string): { host: string; port: string | undefined } | undefined {
  if (/^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(authority))
    return { host: `[${authority}]`, port: undefined };
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(authority);
  if (match === null) return undefined;
  return { host: match[1] ?? "", port: match[2] };
}

const isEverywhere = (host: string) => host === "" || host === "0.0.0.0" || host === "[::]";
