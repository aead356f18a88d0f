/** What one look of `sai doctor` found. */
export interface Check {
  name: string;
  result: "ok" | "warn" | "fail";
  detail: string;
}
