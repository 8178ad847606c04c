// The console: one pool, and the parts of the page that show it. A new part is a module with a class that is made here.

import { Loader } from "./loader.js";
import { Models } from "./models.js";
import { Pool } from "./pool.js";
import { Status } from "./status.js";
import { Trial } from "./trial.js";

const pool = new Pool();
const trial = new Trial(pool);
new Status(pool);
new Models(pool, trial);
new Loader(pool, trial);
pool.watch();
