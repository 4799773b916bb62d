package detectors

// built are the detectors that exist, in the order of the design's table. An epoch goes
// through them in this order.
var built = []*detector{
	lossNaNDetector,
	divergenceDetector,
	risingLossDetector,
	overfittingDetector,
	generalizationGapDetector,
	lossAccuracyConflictDetector,
	plateauDetector,
	notLearningDetector,
	constantMetricDetector,
	oscillationDetector,
	spikeDetector,
	noisyValidationDetector,
	slowProgressDetector,
	lrTooLowDetector,
	lrTooHighDetector,
	valBetterThanTrainDetector,
	metricMismatchDetector,
	headLossMismatchDetector,
	initialLossDetector,
	epochGapDetector,
	stalledDetector,
	slowEpochDetector,
	resumeRegressionDetector,
}
