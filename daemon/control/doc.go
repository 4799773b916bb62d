// Package control decides what is done to a live run: from findings to commands, and
// from the answers to a judgement of what the commands did.
//
// The rule in a paragraph. A cut follows a finding that a lower rate can mend
// (lr_too_high, divergence, and, gently, rising_loss and loss_accuracy_conflict), one at
// a time, and only after the last one has been judged. A step is half a decade for a
// warning and a decade for a critical finding: learning rates matter by their order of
// magnitude, and half a decade is the distance of neighbours on the usual grid 1, 3, 10.
// A cut that made no difference is followed by the hardest step the owner allows. Two in
// a row that did not help end the cutting: the rate is not what is wrong. A rate that
// someone else is changing is left alone, and so is a loss that has been falling since the
// last cut.
//
// Everything here is a function of an [ingest.Situation], which is made of stored facts:
// deciding twice gives the same command with the same id.
package control
