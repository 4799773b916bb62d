package spool

// File is what became of one spool.
type File struct {
	Path      string `json:"path"`
	Delivered int    `json:"delivered"` // events acknowledged now
	Left      int    `json:"left"`      // events that still wait; 1 stands for any number in the spool of another target
	Unread    int    `json:"unread"`    // lines that are no events and were passed over
	// Reason is why not everything was delivered, empty when it was.
	Reason string `json:"reason,omitempty"`
}

// Report is what became of all spools of a folder.
type Report struct {
	Files []File `json:"files"`
}

// Left counts the events, and the spools that could not be looked into, that still wait.
func (r Report) Left() int {
	n := 0
	for _, f := range r.Files {
		n += f.Left
		if f.Left == 0 && f.Reason != "" {
			n++
		}
	}
	return n
}

// Delivered counts the events that were acknowledged now.
func (r Report) Delivered() int {
	n := 0
	for _, f := range r.Files {
		n += f.Delivered
	}
	return n
}
