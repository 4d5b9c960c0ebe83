import { fstatSync, writeSync } from 'node:fs';
import { BadSetting } from './settings.ts';

/** The line to whoever started this process (docs/instance.md, "Control pipe"). */
export class ControlPipe {
  readonly #fd: number;

  /** `onClosed` is called when the other end is gone. Throws BadSetting when `fd` is not open. */
  constructor(fd: number, onClosed: () => void) {
    if (!isPipe(fd)) throw new BadSetting(`cannot use SPOOR_CONTROL_FD [${fd}]: no pipe is open there`);
    this.#fd = fd;
    const net = process.getBuiltinModule('node:net');
    const socket = new net.Socket({ fd, readable: true, writable: true });
    socket.on('error', onClosed).on('close', onClosed);
    socket.resume();
  }

  /** Written at once: this may be the last thing the process does. */
  say(event: Readonly<Record<string, unknown>>): void {
    try {
      writeSync(this.#fd, `${JSON.stringify(event)}\n`);
    } catch {
      // Nobody there, or not reading: the journal and the exit code say it too.
    }
  }
}

function isPipe(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isSocket() || stat.isFIFO();
  } catch {
    return false;
  }
}
