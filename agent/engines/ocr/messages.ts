/** What the recogniser's process and its owner say to each other, over Node's IPC channel with structured clones. */

export interface RecognizerSettings {
  /** Folder with `eng.traineddata.gz`. */
  dataDir: string;
  /** Tesseract's engine mode: 0 legacy, 1 LSTM. */
  oem: 0 | 1;
  /** Page segmentation mode, 0 to 13. */
  psm: number;
  dpi: number;
  /** Pictures are enlarged by this factor before they are read; 1 leaves them alone. */
  upscale: number;
}

export type ToRecognizer =
  | { kind: "start"; settings: RecognizerSettings }
  | { kind: "recognize"; id: number; images: { name: string; bytes: Uint8Array }[] };

export type FromRecognizer =
  | { kind: "ready" }
  | { kind: "failed"; message: string }
  | { kind: "text"; id: number; text: string }
  /** media: the named picture cannot be read. engine: the recogniser failed on it. */
  | { kind: "error"; id: number; of: "media" | "engine"; message: string };
