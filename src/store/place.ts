/**
 * A folder that files are put into, on disk or in S3. Each appears whole, under its own name, or not at all. Paths are
 * relative to it, with forward slashes.
 */
export interface Place {
  /** For messages. */
  readonly uri: string;
  /** A small file. @returns undefined when it is not there @throws STORE_DENIED … */
  read(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** Writes a small file, in place of what is there. */
  write(path: string, text: string, signal: AbortSignal): Promise<void>;
  /**
   * Where files that are to be put may be made with the least copying: a folder below it, or undefined when that does
   * not matter.
   */
  readonly staging: string | undefined;
  /** Puts a file that is complete; one made in `staging` is moved. */
  put(file: string, path: string, signal: AbortSignal): Promise<void>;
  /** Whether a file of this size is there. */
  holds(path: string, bytes: number, signal: AbortSignal): Promise<boolean>;
  /** Removes files and folders; what is not there is no error. */
  remove(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** Does away with what uploads of these files that broke off have left behind. */
  giveUp(paths: readonly string[], signal: AbortSignal): Promise<void>;
}
