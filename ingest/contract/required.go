package contract

import (
	"encoding/json"
	"errors"
	"fmt"
)

// errMissing is returned for a field that must be there: Go's zero value would
// otherwise pass for a number that nobody sent.
var errMissing = errors.New("is missing or null")

// UnmarshalJSON reads an epoch; its number and its metrics must be there.
func (e *EpochEnded) UnmarshalJSON(b []byte) error {
	type plain EpochEnded
	var in struct {
		plain
		Epoch   *int               `json:"epoch"`
		Metrics *map[string]Number `json:"metrics"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.Epoch == nil {
		return fmt.Errorf("epoch %w", errMissing)
	}
	if in.Metrics == nil {
		return fmt.Errorf("metrics %w", errMissing)
	}
	*e = EpochEnded(in.plain)
	e.Epoch, e.Metrics = *in.Epoch, *in.Metrics
	return nil
}

// UnmarshalJSON reads a summary of batches; every field must be there.
func (s *Batches) UnmarshalJSON(b []byte) error {
	var in struct {
		Epoch   *int                     `json:"epoch"`
		Batch   *int                     `json:"batch"`
		Count   *int                     `json:"count"`
		Metrics *map[string]BatchSummary `json:"metrics"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.Epoch == nil || in.Batch == nil || in.Count == nil || in.Metrics == nil {
		return fmt.Errorf("one of epoch, batch, count, metrics %w", errMissing)
	}
	*s = Batches{Epoch: *in.Epoch, Batch: *in.Batch, Count: *in.Count, Metrics: *in.Metrics}
	return nil
}

// UnmarshalJSON reads the summary of one metric; all four numbers must be there.
func (s *BatchSummary) UnmarshalJSON(b []byte) error {
	var in struct {
		Mean *Number `json:"mean"`
		Min  *Number `json:"min"`
		Max  *Number `json:"max"`
		Last *Number `json:"last"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.Mean == nil || in.Min == nil || in.Max == nil || in.Last == nil {
		return fmt.Errorf("one of mean, min, max, last %w", errMissing)
	}
	*s = BatchSummary{Mean: *in.Mean, Min: *in.Min, Max: *in.Max, Last: *in.Last}
	return nil
}

// UnmarshalJSON reads a command; its expiry in epochs must be there.
func (c *Command) UnmarshalJSON(b []byte) error {
	type plain Command
	var in struct {
		plain
		ExpiresEpoch *int `json:"expires_epoch"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.ExpiresEpoch == nil {
		return fmt.Errorf("expires_epoch %w", errMissing)
	}
	*c = Command(in.plain)
	c.ExpiresEpoch = *in.ExpiresEpoch
	return nil
}
