// Package backtest judges the detectors on curves that are known from beginning to end:
// how often they name what a label names, how long after its onset, and how often they
// raise something on a run that was well. It is pure: curves, labels and thresholds in,
// figures out, the same whatever the order of the curves.
//
// Act says when the policy of daemon/control would have acted on such curves.
//
// Every curve goes through a detectors.Monitor epoch by epoch, as a live run does; what
// counts is when a finding opened, not what the monitor says in the end.
//
// The words, exactly:
//
//   - A kind is labelled on a curve that its labels name; the onset is an index into the
//     curve, from 0, and may be unknown.
//   - A label is named when a finding of its kind, on whatever metric, opened at any time
//     and any severity. Recall is named / labelled.
//   - It is named early when the first such finding opened before the onset: early / named,
//     of those with a known onset. Early naming is no merit: the label says that there was
//     nothing yet, so a rule that fires at once names everything early.
//   - The delay is the index at which it opened less the onset, in epochs of the curve, of
//     those not early; the median is given.
//   - A curve is healthy when its labels are healthy and nothing else. What opens there is
//     a false alarm: alarmed at warning and above, any at whatever severity.
//   - A finding is counted once however often it opens again, at the highest severity it
//     reached.
//
// Intervals are of 95 %, by bootstrap: repositories, not curves, are drawn with
// replacement, because the curves of one repository resemble each other and an interval
// that took them for independent would be too narrow. Draws that leave nothing to measure
// are left out. The draws are seeded and the same for all figures of a part, so that two
// sets of thresholds are compared on the same draws. Where a share is 0 or 1 every draw
// says the same and the bootstrap would promise certainty: there it is Wilson's interval,
// of as many trials as repositories.
package backtest
