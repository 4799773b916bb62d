package report

import "io"

// CommandList is what was done, or is proposed, to one run.
type CommandList struct {
	Run      Run       `json:"run"`
	Commands []Command `json:"commands"`

	findings []RunFinding
}

// CommandList returns the commands of the run, with the evidence for each.
func (d RunDocument) CommandList() CommandList {
	return CommandList{Run: d.Run, Commands: d.Commands, findings: d.Findings}
}

// WriteText writes the list for a person.
func (l CommandList) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	if len(l.Commands) == 0 {
		p.wrapped("", "Nothing was done or proposed to run "+l.Run.ID+".", "")
		return p.writeTo(w)
	}
	p.commands(l.Commands, l.findings)
	return p.writeTo(w)
}

// WriteText writes one command for a person.
func (c Command) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	p.command(c, nil)
	return p.writeTo(w)
}
