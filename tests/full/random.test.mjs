// 200 random legal specifications, ten times as many as tests/planted/random.test.mjs trains; SEED and N choose others.

import { after, before } from "node:test";
import { cleanUp, prepare } from "../planted/plant.mjs";
import { quietTest } from "../planted/random.mjs";

before(prepare);
after(cleanUp);

quietTest({ seed: 1000, n: 200 });
