// Package storetest is the suite that every store passes: what sql/store promises, tried
// on a real database.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Engine is one kind of database under test.
type Engine struct {
	// Open returns a store on a new, empty database, closed when the test ends.
	Open func(t *testing.T) store.Store
	// Again returns one more store on the database of a store that Open returned.
	Again func(t *testing.T, s store.Store) store.Store
	// Text runs SQL with no arguments and returns the rows as text, null as "NULL".
	Text func(t *testing.T, s store.Store, sql string) [][]string
}

// Run runs the part of the suite that asks nothing but the interface.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for name, fn := range map[string]func(*testing.T, store.Store){
		"AnEmptyStoreHasNothing":          testEmpty,
		"RunsAreMadeAndLocked":            testLockRuns,
		"RunsAreListedNewestFirst":        testListRuns,
		"RunsAreFoundById":                testFindRun,
		"EverythingComesBackAsWritten":    testRoundTrip,
		"WritingTwiceIsHarmless":          testTwice,
		"OneKeyTwiceInOneTransaction":     testOneKeyTwice,
		"FloatsAreExact":                  testFloats,
		"TextMayHoldAnything":             testText,
		"FindingsAreBroughtUpToDate":      testFindings,
		"ASecondCommandForOneCauseIsNone": testCommands,
		"TenThousandEpochs":               testManyEpochs,
		"AFailedIngestLeavesNothing":      testRollback,
		"RowsAtFaultAreAPermanentError":   testBadRows,
		"AnIngestSeesItsOwnWrites":        testOwnWrites,
		"IngestsOfOneRunFollowEachOther":  testSerial,
		"IngestsInAnyOrderDoNotDeadlock":  testNoDeadlock,
		"OneOfManyDecidesOnAProposal":     testOneDecides,
		"CancelledIngest":                 testCancelled,
		"HeldEventsWaitAndGo":             testHeld,
		"DeliveriesAreRecorded":           testDeliveries,
		"MessagesComeWithWhatTheySay":     testFindMessage,
		"GroupsAreJoinedAndTold":          testGroups,
		"MessagesOfManyOrOfNone":          testManyOrNone,
		"SilencesWakeWhatTheyHold":        testSilences,
		"ProblemsAreSeenAndHaveNews":      testAcknowledgements,
		"WhatWasNotToldIsListed":          testWaiting,
		"WhatFiresOfRunsThatTrain":        testFiring,
		"EndsThatWaitAreListed":           testEnds,
		"UpkeepForgetsOldRefusals":        testUpkeep,
		"AJobIsWorkedOnce":                testJobOnce,
		"AFailedJobIsTriedAgain":          testJobRetry,
		"AJobIsWorkedWhenItsTimeHasCome":  testJobNotYet,
		"APermanentErrorEndsAJob":         testJobDead,
		"APanicIsAnError":                 testJobPanic,
		"PeriodicJobsRun":                 testPeriodic,
		"StopWaitsForJobs":                testStop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, open(t))
		})
	}
}

// RunEngine runs the whole suite.
func RunEngine(t *testing.T, e Engine) {
	t.Helper()
	Run(t, e.Open)
	for name, fn := range map[string]func(*testing.T, Engine){
		"TheViewShowsEveryValue":      testView,
		"AStoreIsOpenedAgain":         testReopen,
		"TwoStoresAtWorkOnOneRun":     testTwoStores,
		"OneOfTwoStoresDecides":       testOneDecidesOfTwoStores,
		"OneOfTwoStoresTellsAGroup":   testOneTellsOfTwoStores,
		"TheViewAgreesWithTheCurve":   testViewIsCurve,
		"NonFiniteColumnsAreReadable": testReadable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, e)
		})
	}
}

// start is the beginning of time in the tests, on a microsecond: that is what is kept.
var start = time.Date(2026, 11, 24, 9, 30, 0, 123456000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// ingest runs fn on the locked run.
func ingest(t *testing.T, s store.Store, key store.RunKey, fn func(tx store.Tx, r store.RunState) error) {
	t.Helper()
	require.NoError(t, s.Ingest(t.Context(), func(tx store.Tx) error {
		states, err := tx.LockRuns(t.Context(), []store.RunKey{key})
		if err != nil {
			return err
		}
		return fn(tx, states[0])
	}))
}

// write stores what changes returns for the locked run.
func write(t *testing.T, s store.Store, key store.RunKey, changes func(r store.RunState) store.Changes) store.Run {
	t.Helper()
	var run store.Run
	ingest(t, s, key, func(tx store.Tx, r store.RunState) error {
		run = r.Run
		return tx.Write(t.Context(), changes(r))
	})
	return run
}

// anAttempt returns an attempt of a run; n orders attempts.
func anAttempt(runPK int64, n int) store.Attempt {
	return store.Attempt{
		RunPK: runPK, ID: fmt.Sprintf("0199f1a0-0000-7000-8000-%012d", n), StartedAt: at(time.Duration(n) * time.Hour),
		NextSeq: 1, State: store.StateRunning,
	}
}

func anEpoch(a store.Attempt, seq int64, epoch int, metrics map[string]float64) store.Epoch {
	return store.Epoch{
		RunPK: a.RunPK, Attempt: a.ID, Seq: seq, Epoch: epoch, EndedAt: at(time.Duration(seq) * time.Second), Metrics: metrics,
	}
}

func aFinding(runPK int64, kind detectors.Kind, onset int) store.Finding {
	return store.Finding{
		ID:    uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%d %s %d", runPK, kind, onset)).String(),
		RunPK: runPK,
		Finding: detectors.Finding{
			Kind: kind, Metric: "loss", Severity: detectors.SeverityWarning, OnsetEpoch: onset, FiredEpoch: onset + 2,
			Confidence: 0.1 + 0.2, Reason: "climbs", Summary: "loss climbs since epoch 3", Advice: []string{"lower the rate"},
			Evidence: map[string]contract.Number{"best": 0.7401, "now": 0.758},
		},
		OpenedAt: at(time.Minute),
	}
}

func aCommand(r store.Run, attempt string, cause int64) store.Command {
	return store.Command{
		Command: contract.Command{
			Version: contract.Version, Type: "command", ID: uuid.Must(uuid.NewV7()).String(), Kind: contract.KindReduceLR,
			Project: r.Project, Run: r.ID, Attempt: attempt, CausedBy: cause, Expected: new(contract.Number(0.1)),
			Wanted: new(contract.Number(0.05)), Reason: "lr_too_high", IssuedBy: "policy", IssuedAt: at(time.Minute),
			ExpiresAt: at(time.Hour), ExpiresEpoch: 9,
			Bounds: contract.Control{Mode: contract.ModeAuto, MinLR: 1e-6, Factor: 0.5, MaxCuts: 4},
		},
		RunPK: r.PK, State: store.CommandSent, DecidedEpoch: 5, Forecast: []byte(`{"slope":-0.1}`),
	}
}

func aMessage(f store.Finding, receiver string, event store.MessageEvent) store.Message {
	return store.Message{
		ID: uuid.Must(uuid.NewV7()).String(), RunPK: f.RunPK, FindingID: f.ID, Receiver: receiver, Channel: "slack",
		Event: event, State: store.MessageQueued, CreatedAt: at(2 * time.Minute),
	}
}

// queueMessage stores a run with one message to people and returns the message.
func queueMessage(t *testing.T, s store.Store) store.Message {
	t.Helper()
	var m store.Message
	write(t, s, store.RunKey{Project: "p", ID: uuid.NewString()}, func(r store.RunState) store.Changes {
		f := aFinding(r.Run.PK, detectors.KindRisingLoss, 3)
		m = aMessage(f, "team", store.MessageFiring)
		return store.Changes{Findings: []store.Finding{f}, Messages: []store.Message{m}}
	})
	return m
}

// patience bounds every wait: long enough for a busy machine, shorter than go test's own.
const patience = 90 * time.Second

func waitContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive returns the next value of c.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-waitContext(t).Done():
		require.FailNow(t, "nothing came", what)
		panic("unreachable")
	}
}
