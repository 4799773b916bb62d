package notify

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/sql/store"
)

// NewSilence returns a silence, or says what is wrong with it. Now is when it is made.
func NewSilence(matchers []string, author, comment string, now time.Time, during time.Duration) (store.Silence, error) {
	switch {
	case len(matchers) == 0:
		return store.Silence{}, fmt.Errorf("a silence without matchers would keep everything back: give one such as kind=plateau or run=%q", "ID")
	case during <= 0:
		return store.Silence{}, errors.New("a silence ends after a time such as 30m, 2h or 1d, or at one to come")
	case author == "":
		return store.Silence{}, errors.New("a silence needs an author")
	}
	if _, err := matchersOf(nil, matchers); err != nil {
		return store.Silence{}, err
	}
	return store.Silence{
		ID: uuid.NewString(), Matchers: matchers, Author: author, Comment: comment, CreatedAt: now, StartsAt: now, EndsAt: now.Add(during),
	}, nil
}
