/**
 * From a face's box to the square picture that a face network was trained on: `models/crop.py`, operation by
 * operation, with OpenCV's own arithmetic (4.11: `warpAffine` and `resize`), so that a device's crop is the server's.
 *
 * Pictures are {data, width, height} with four bytes a pixel, as an `ImageData` is; the fourth is not looked at.
 */

/**
 * @typedef {{scale: number, shift_x: number, shift_y: number}} Geometry where the crop lies, in units of the box's side
 * @typedef {{x: number, y: number, width: number, height: number}} Box in fractions of the frame
 */

const float = Math.fround;

/** The square region that `geometry` takes around `box` in a frame of so many pixels. It may reach beyond. */
export function applyGeometry(box, geometry, width, height) {
  let side = Math.sqrt(box.width * width * box.height * height);
  const x = (box.x + box.width / 2) * width + geometry.shift_x * side;
  const y = (box.y + box.height / 2) * height + geometry.shift_y * side;
  side *= geometry.scale;
  return { x: (x - side / 2) / width, y: (y - side / 2) / height, width: side / width, height: side / height };
}

/**
 * Cut a face out of a frame.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image
 * @param {Box} box
 * @param {{size: number, channels: 1 | 3, geometry: Geometry}} framing as the network was trained
 * @param {number} roll by how many radians the head leans clockwise; the crop leans with it
 * @returns {Float32Array} whole numbers 0..255, [channels, size, size]
 */
export function crop(image, box, { size, channels, geometry }, roll = 0) {
  const region = applyGeometry(box, geometry, image.width, image.height);
  const side = Math.max(1, roundToEven(region.width * image.width));
  // At the frame's own scale; what leans and is to be shrunk to less than half, no finer than its mean needs.
  const taken = roll === 0 || side <= 2 * size ? side : size * Math.ceil(side / (2 * size));
  const cut = roll === 0 ? upright(image, region, side) : leaning(image, box, geometry, side, taken, roll);
  return planes(side > size ? shrunk(cut, taken, size) : stretched(cut, side, size), size, channels);
}

function upright(image, region, side) {
  const left = roundToEven(region.x * image.width);
  const top = roundToEven(region.y * image.height);
  const cut = new Uint8Array(side * side * 3);
  let to = 0;
  for (let row = 0; row < side; row += 1) {
    const y = clamp(top + row, image.height - 1);
    for (let column = 0; column < side; column += 1) {
      const from = (y * image.width + clamp(left + column, image.width - 1)) * 4;
      cut[to++] = image.data[from];
      cut[to++] = image.data[from + 1];
      cut[to++] = image.data[from + 2];
    }
  }
  return cut;
}

/**
 * Cut a region of `side` pixels that is turned by `roll`, as a picture of `fine` pixels: bilinear, with places in 32nds
 * of a pixel and all in whole numbers.
 */
function leaning(image, box, geometry, side, fine, roll) {
  const { width, height, data } = image;
  const [cos, sin] = [Math.cos(roll), Math.sin(roll)];
  const unit = side / geometry.scale;
  const [shiftX, shiftY] = [geometry.shift_x * unit, geometry.shift_y * unit];
  const centreX = (box.x + box.width / 2) * width + cos * shiftX - sin * shiftY;
  const centreY = (box.y + box.height / 2) * height + sin * shiftX + cos * shiftY;
  const [stepX, stepY] = [(side / fine) * cos, (side / fine) * sin];
  const middle = (fine - 1) / 2;
  const [left, top] = [centreX - stepX * middle + stepY * middle, centreY - stepY * middle - stepX * middle];
  const cut = new Uint8Array(fine * fine * 3);
  let to = 0;
  for (let row = 0; row < fine; row += 1) {
    const beginX = roundToEven((-stepY * row + left) * 1024) + 16;
    const beginY = roundToEven((stepX * row + top) * 1024) + 16;
    for (let column = 0; column < fine; column += 1) {
      const x = (beginX + roundToEven(stepX * column * 1024)) >> 5;
      const y = (beginY + roundToEven(stepY * column * 1024)) >> 5;
      const [across, down] = [x & 31, y & 31];
      const [x0, x1] = [clamp(x >> 5, width - 1) * 4, clamp((x >> 5) + 1, width - 1) * 4];
      const [y0, y1] = [clamp(y >> 5, height - 1) * width * 4, clamp((y >> 5) + 1, height - 1) * width * 4];
      for (let channel = 0; channel < 3; channel += 1) {
        const above = data[y0 + x0 + channel] * (32 - across) + data[y0 + x1 + channel] * across;
        const below = data[y1 + x0 + channel] * (32 - across) + data[y1 + x1 + channel] * across;
        cut[to++] = (above * (32 - down) + below * down + 512) >> 10;
      }
    }
  }
  return cut;
}

/** OpenCV's INTER_AREA: each pixel is the mean of the area that it covers. */
function shrunk(cut, side, size) {
  const scale = side / size;
  const spans = Array.from({ length: size }, (_, at) => span(at, scale, side));
  const whole = Number.isInteger(scale);
  const result = new Uint8Array(size * size * 3);
  const wide = new Float32Array(side * size * 3);
  for (let row = 0; row < side; row += 1) {
    for (let at = 0; at < size; at += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (const [from, weight] of spans[at]) {
          const value = cut[(row * side + from) * 3 + channel];
          sum = whole ? sum + value : float(sum + float(value * weight));
        }
        wide[(row * size + at) * 3 + channel] = sum;
      }
    }
  }
  for (let at = 0; at < size; at += 1) {
    for (let column = 0; column < size * 3; column += 1) {
      let sum = 0;
      for (const [from, weight] of spans[at]) {
        const value = wide[from * size * 3 + column];
        sum = whole ? sum + value : float(sum + float(value * weight));
      }
      if (whole) sum = scale === 2 ? Math.floor((sum + 2) / 4) : float(sum * float(1 / (scale * scale)));
      result[at * size * 3 + column] = Math.min(255, roundToEven(sum));
    }
  }
  return result;
}

/** Which pixels [index, weight] one pixel of the shrunk picture covers, along one axis. */
function span(at, scale, side) {
  const begin = at * scale;
  const end = begin + scale;
  const cell = Math.min(scale, side - begin);
  const last = Math.min(Math.floor(end), side - 1);
  const first = Math.min(Math.ceil(begin), last);
  const covered = [];
  if (first - begin > 1e-3) covered.push([first - 1, float((first - begin) / cell)]);
  for (let from = first; from < last; from += 1) covered.push([from, float(1 / cell)]);
  if (end - last > 1e-3) covered.push([last, float(Math.min(Math.min(end - last, 1), cell) / cell)]);
  return covered;
}

/** OpenCV's INTER_LINEAR for bytes: fixed point with 11 bits for each axis. */
function stretched(cut, side, size) {
  if (side === size) return cut;
  const rows = Array.from({ length: size }, (_, at) => tap(at, 1 / (size / side), side));
  // Beyond the edge both columns are one; of rows OpenCV mixes the edge with itself, which rounds twice.
  const columns = rows.map(([first, second, ...weights]) => [first, second, ...(first === second ? [2048, 0] : weights)]);
  const result = new Uint8Array(size * size * 3);
  for (let row = 0; row < size; row += 1) {
    const [y0, y1, above, below] = rows[row];
    for (let column = 0; column < size; column += 1) {
      const [x0, x1, left, right] = columns[column];
      for (let channel = 0; channel < 3; channel += 1) {
        const upper = cut[(y0 * side + x0) * 3 + channel] * left + cut[(y0 * side + x1) * 3 + channel] * right;
        const lower = cut[(y1 * side + x0) * 3 + channel] * left + cut[(y1 * side + x1) * 3 + channel] * right;
        const sum = ((above * (upper >> 4)) >> 16) + ((below * (lower >> 4)) >> 16);
        result[(row * size + column) * 3 + channel] = (sum + 2) >> 2;
      }
    }
  }
  return result;
}

/** Between which two pixels one of the stretched picture lies along an axis, and their weights of 2048. */
function tap(at, scale, side) {
  const place = float((at + 0.5) * scale - 0.5);
  const first = Math.floor(place);
  const share = float(place - first);
  const weights = [roundToEven(float(1 - share) * 2048), roundToEven(share * 2048)];
  return [clamp(first, side - 1), clamp(first + 1, side - 1), ...weights];
}

/** Pixels to planes; grey is ITU-R BT.601 luma in 15 bits. */
function planes(face, size, channels) {
  const area = size * size;
  const result = new Float32Array(area * channels);
  for (let at = 0; at < area; at += 1) {
    const [red, green, blue] = [face[at * 3], face[at * 3 + 1], face[at * 3 + 2]];
    if (channels === 1) {
      result[at] = (red * 9798 + green * 19235 + blue * 3735 + 16384) >> 15;
    } else {
      result[at] = red;
      result[area + at] = green;
      result[2 * area + at] = blue;
    }
  }
  return result;
}

const clamp = (value, most) => Math.max(0, Math.min(value, most));

/** To the nearest whole number, halves to the even one: as Python's `round` and OpenCV's `cvRound` do. */
function roundToEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
