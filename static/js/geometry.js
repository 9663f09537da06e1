/** Where a face box lies on the mirrored preview. */

/**
 * Map a box in fractions of the camera frame to pixels of an element that shows that frame mirrored,
 * with `object-fit: cover` (scaled to fill, centred, the overflow cut off).
 *
 * @param {number[]} box x, y, width, height as fractions of the frame, not mirrored
 * @param {{width: number, height: number}} frame size of the camera picture
 * @param {{width: number, height: number}} stage size of the element on the page
 */
export function placeBox([x, y, width, height], frame, stage) {
  const scale = Math.max(stage.width / frame.width, stage.height / frame.height);
  const shown = { width: frame.width * scale, height: frame.height * scale };
  return {
    left: (stage.width - shown.width) / 2 + (1 - x - width) * shown.width,
    top: (stage.height - shown.height) / 2 + y * shown.height,
    width: width * shown.width,
    height: height * shown.height,
  };
}
