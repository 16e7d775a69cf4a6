/** What the page and its worker tell each other. */

import { type Stage } from "./fill.ts";
import { type Stroke } from "./strokes.ts";

export type Request =
  | { readonly kind: "open" }
  | {
      readonly kind: "fill";
      readonly photo: ImageBitmap;
      readonly strokes: readonly Stroke[];
      /** Of the photograph's size, white = fill; added to the strokes. */
      readonly mask: ImageBitmap | null;
    }
  | { readonly kind: "save"; readonly picture: ImageBitmap };

export type Reply =
  /** The network is there; `backend` runs it. */
  | { readonly kind: "opened"; readonly backend: string }
  | { readonly kind: "stage"; readonly stage: Stage; readonly share: number }
  | { readonly kind: "filled"; readonly result: ImageBitmap; readonly holeShare: number; readonly seconds: number }
  | { readonly kind: "saved"; readonly png: Blob }
  | { readonly kind: "failed"; readonly message: string };
