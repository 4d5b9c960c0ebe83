import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import * as canary from './canary.ts';
import * as env from './env.ts';
import { acceptFissionFlags } from './fission-flags.ts';
import * as fn from './fn.ts';
import * as mqt from './mqt.ts';
import * as pkg from './pkg.ts';
import * as route from './route.ts';
import * as secret from './secret.ts';
import * as spec from './spec.ts';
import * as topic from './topic.ts';
import * as tt from './tt.ts';
import * as version from './version.ts';

/** Fission's verbs, and topics. */
export function registerVerbs(program: Command, context: CliContext): void {
  for (const group of [env, fn, pkg, route, mqt, tt, spec, canary, topic, secret, version])
    group.register(program, context);
  acceptFissionFlags(program, context.out);
}
