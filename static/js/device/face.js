/** A picture to a face's box and probabilities, as `models/face_path.py` does it. */

import { crop } from "./crop.js";

export class Face {
  #detector;
  #session;
  #framing;
  #Tensor;
  #canvas = null;

  /** @param framing {size, channels, geometry}: how the network wants its crops */
  constructor(detector, session, framing, Tensor) {
    this.#detector = detector;
    this.#session = session;
    this.#framing = framing;
    this.#Tensor = Tensor;
  }

  /**
   * @param {ImageBitmap | ImageData} frame
   * @returns {Promise<{probs: Float32Array | null, box: number[] | null}>} both null where there is no face
   */
  async see(frame) {
    const image = frame instanceof ImageData ? frame : this.#pixels(frame);
    const face = await this.#detector.detect(image);
    if (face === null) return { probs: null, box: null };
    const { x, y, width, height } = face.box;
    return { probs: await this.classify(crop(image, face.box, this.#framing, face.roll)), box: [x, y, width, height] };
  }

  /** Map a crop [channels, size, size] of whole numbers 0..255 to probabilities [7]. */
  async classify(cut) {
    const { size, channels } = this.#framing;
    const { probabilities } = await this.#session.run({ crops: new this.#Tensor("float32", cut, [1, channels, size, size]) });
    return probabilities.data;
  }

  #pixels(bitmap) {
    const { width, height } = bitmap;
    if (this.#canvas?.width !== width || this.#canvas.height !== height) this.#canvas = new OffscreenCanvas(width, height);
    const context = this.#canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  }
}
