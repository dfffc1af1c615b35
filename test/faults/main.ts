/**
 * piku as it is, in a world in which it may end at any moment: the tests build an executable of
 * this.
 */
import "./faults.ts";
import "../../src/main.ts";
