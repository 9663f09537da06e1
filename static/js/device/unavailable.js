/** Why the models cannot be had on this device, in words for whoever looks at the page. */
export class UnavailableError extends Error {}

const UNREACHABLE = "The models are not on this device yet, and the server cannot be reached.";

/** What `wanted` resolves with. Of a network that fails browsers say no more than "Failed to fetch". */
export async function reached(wanted) {
  try {
    return await wanted;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.warn(error); // whatever else it may be
    throw new UnavailableError(UNREACHABLE, { cause: error });
  }
}
