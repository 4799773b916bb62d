package web

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/internal/oneline"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Refused is one message that was refused, as it is shown.
type Refused struct {
	ID         int64     `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	Subject    string    `json:"subject"`
	MessageID  string    `json:"message_id,omitempty"`
	StreamSeq  uint64    `json:"stream_seq"` // the broker's number of it
	Reason     string    `json:"reason"`
	Detail     string    `json:"detail"`
	Size       int       `json:"size"` // bytes
	// Beginning is the first bytes of the message, as text.
	Beginning string `json:"beginning"`
}

// RefusedList is what the quarantine holds, newest first.
type RefusedList struct {
	Refused []Refused `json:"refused"`
}

// beginning is how many bytes of a refused message are shown: enough to know it by.
const beginning = 512

// NewRefusedList returns the list of what a store holds.
func NewRefusedList(all []store.Quarantined) RefusedList {
	out := RefusedList{Refused: make([]Refused, 0, len(all))}
	for _, q := range all {
		cut := q.Payload[:min(len(q.Payload), beginning)]
		for len(cut) > 0 && len(cut) < len(q.Payload) && !utf8.RuneStart(q.Payload[len(cut)]) {
			cut = cut[:len(cut)-1] // not through a letter
		}
		out.Refused = append(out.Refused, Refused{
			ID: q.ID, ReceivedAt: q.ReceivedAt.UTC(), Subject: q.Subject, MessageID: q.MessageID, StreamSeq: q.StreamSeq,
			Reason: string(q.Reason), Detail: q.Detail, Size: q.Size, Beginning: strings.ToValidUTF8(string(cut), "�"),
		})
	}
	return out
}

// WriteText writes the list for a person.
func (l RefusedList) WriteText(w io.Writer) error {
	if len(l.Refused) == 0 {
		_, err := fmt.Fprintln(w, "No message was refused.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RECEIVED\tSUBJECT\tBYTES\tREASON\tDETAIL")
	for _, r := range l.Refused {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", r.ReceivedAt.Format(time.DateTime), notice.Clean(r.Subject, 160), r.Size, r.Reason, oneline.Printable(r.Detail))
	}
	return t.Flush()
}
