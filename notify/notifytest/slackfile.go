package notifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// SlackFile is one file that the stand-in took in.
type SlackFile struct {
	ID       string
	Name     string
	Alt      string
	Content  []byte
	Complete bool   // files.completeUploadExternal was called
	Channel  string // where it was shared; empty: nowhere
	ThreadTS string
	length   int
}

// Files returns what was uploaded, in order.
func (s *Slack) Files() []SlackFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.files)
}

// FailFiles is Fail for the methods that upload, FailEdits for chat.update.
func (s *Slack) FailFiles(answers ...Answer) { s.filing.Fail(answers...) }

// FailEdits is Fail for chat.update.
func (s *Slack) FailEdits(answers ...Answer) { s.editing.Fail(answers...) }

// fileURL is files.getUploadURLExternal.
func (s *Slack) fileURL(form url.Values) map[string]any {
	length, err := strconv.Atoi(form.Get("length"))
	if form.Get("filename") == "" || err != nil || length < 1 {
		return map[string]any{"error": "invalid_arguments"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := SlackFile{ID: fmt.Sprintf("F0STANDIN%d", len(s.files)+1), Name: form.Get("filename"), Alt: form.Get("alt_txt"), length: length}
	s.files = append(s.files, f)
	return map[string]any{"upload_url": s.server.URL + "/upload/" + f.ID, "file_id": f.ID}
}

// fileBytes takes the file itself: the body, or a form with one file. It answers in plain
// text.
func (s *Slack) fileBytes(w http.ResponseWriter, r *http.Request) {
	var content []byte
	var err error
	if form, _, ferr := r.FormFile("file"); ferr == nil {
		content, err = io.ReadAll(form)
		_ = form.Close()
	} else {
		content, err = io.ReadAll(r.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.files, func(f SlackFile) bool { return f.ID == r.PathValue("id") })
	if err != nil || i < 0 || len(content) != s.files[i].length {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.files[i].Content = content
	fmt.Fprintf(w, "OK - %d", len(content))
}

// fileDone is files.completeUploadExternal: without a channel_id the file is nobody's to
// see until a message shows it.
func (s *Slack) fileDone(form url.Values) map[string]any {
	var files []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if json.Unmarshal([]byte(form.Get("files")), &files) != nil || len(files) != 1 {
		return map[string]any{"error": "invalid_arguments"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.files, func(f SlackFile) bool { return f.ID == files[0].ID })
	switch {
	case i < 0 || s.files[i].Content == nil:
		return map[string]any{"error": "file_not_found"}
	case form.Get("channel_id") != "" && form.Get("channel_id") != SlackChannelID:
		return map[string]any{"error": "channel_not_found"} // names are not taken here
	}
	s.files[i].Complete, s.files[i].Channel, s.files[i].ThreadTS = true, form.Get("channel_id"), form.Get("thread_ts")
	return map[string]any{"files": []map[string]any{{"id": files[0].ID, "title": files[0].Title}}}
}

// knowsFiles reports whether every picture in blocks is one that was uploaded.
func (s *Slack) knowsFiles(blocks string) bool {
	var list []struct {
		SlackFile *struct {
			ID string `json:"id"`
		} `json:"slack_file"`
	}
	if blocks == "" || json.Unmarshal([]byte(blocks), &list) != nil {
		return true
	}
	for _, b := range list {
		if b.SlackFile != nil && !slices.ContainsFunc(s.Files(), func(f SlackFile) bool { return f.Complete && f.ID == b.SlackFile.ID }) {
			return false
		}
	}
	return true
}

// update is chat.update: text and blocks are replaced, the rest stays.
func (s *Slack) update(form url.Values) map[string]any {
	blocks := form.Get("blocks")
	switch {
	case form.Get("channel") != SlackChannelID:
		return map[string]any{"error": "channel_not_found"} // names are not taken here
	case !s.knowsFiles(blocks):
		return map[string]any{"error": "invalid_blocks"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.messages, func(m SlackMessage) bool { return m.TS == form.Get("ts") && !m.Webhook })
	if i < 0 {
		return map[string]any{"error": "message_not_found"}
	}
	s.messages[i].Text, s.messages[i].Blocks = form.Get("text"), json.RawMessage(blocks)
	s.messages[i].Edits++
	defer s.bell.ring()
	return map[string]any{"channel": SlackChannelID, "ts": s.messages[i].TS, "text": form.Get("text")}
}
