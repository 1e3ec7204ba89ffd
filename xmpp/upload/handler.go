package upload

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// slowest is the rate below which a transfer is cut off, in bytes a second, after a minute's patience.
const slowest = 16 << 10

// maxAbout bounds the line that describes a file.
const maxAbout = 4 << 10

// about is the first line of a file.
type about struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Handler serves PUT, GET and HEAD of /TOKEN/NAME. What is not there looks like what never was.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /{token}/{name}", s.put)
	mux.HandleFunc("GET /{token}/{name}", s.get) // and HEAD
	mux.HandleFunc("OPTIONS /{token}/{name}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// guard sets what every answer carries: pages of any origin may upload and read (XEP-0363 §9), since the
// address is all that counts, and nothing that was uploaded runs on this server's origin (XEP-0363 §11).
func guard(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, PUT")
	h.Set("Access-Control-Allow-Headers", "Content-Type, Range")
	h.Set("Access-Control-Expose-Headers", "Content-Length, Content-Range")
	h.Set("Access-Control-Max-Age", "7200")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
}

// put takes a file: once for a slot, with exactly its size (XEP-0363 §6).
func (s *Store) put(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	sl, ok := s.begin(token, r.PathValue("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.ContentLength != sl.file.Size {
		s.giveBack(sl)
		status := http.StatusRequestEntityTooLarge
		if r.ContentLength < 0 {
			status = http.StatusLengthRequired
		}
		http.Error(w, "the length is not that of the slot", status)
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(patience(sl.file.Size)) // a recorder in a test has none
	_ = rc.SetWriteDeadline(patience(sl.file.Size).Add(time.Minute))
	size, err := s.write(token, sl, r.Body)
	if err != nil {
		s.giveBack(sl)
		s.refuse(w, err)
		return
	}
	s.complete(token, sl, size)
	w.WriteHeader(http.StatusCreated)
}

// patience is until when a transfer may take.
func patience(size int64) time.Time {
	return time.Now().Add(time.Minute + time.Duration(size/slowest)*time.Second)
}

// refuse tells why a file could not be taken.
func (s *Store) refuse(w http.ResponseWriter, err error) {
	var gone *clientError
	switch {
	case errors.As(err, &gone):
		http.Error(w, "the upload was cut off", http.StatusBadRequest)
	case errors.Is(err, syscall.ENOSPC):
		s.cfg.Log.Error("upload: the disk is full", "cause", err)
		http.Error(w, "there is no room", http.StatusInsufficientStorage)
	default:
		s.cfg.Log.Error("upload: cannot write", "cause", err)
		http.Error(w, "something went wrong here", http.StatusInternalServerError)
	}
}

// clientError is an error of reading what the client sends.
type clientError struct{ error }

// write puts a file on the disk; it is there for good when write returns. size is what it takes.
func (s *Store) write(token string, sl *slot, body io.Reader) (size int64, err error) {
	path := s.path(sl.user, token)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(path+partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path + partial)
		}
	}()
	size, err = fill(f, sl.file, body)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(path+partial, path); err != nil {
		return 0, err
	}
	return size, syncFolder(filepath.Dir(path))
}

// fill writes the description and exactly the announced content.
func fill(f *os.File, file File, body io.Reader) (int64, error) {
	head, err := json.Marshal(about{file.Name, file.Type})
	if err != nil {
		return 0, err
	}
	head = append(head, '\n')
	if _, err := f.Write(head); err != nil {
		return 0, err
	}
	from := &watched{r: io.LimitReader(body, file.Size)}
	n, err := io.Copy(f, from)
	switch {
	case from.err != nil:
		return 0, &clientError{from.err}
	case err != nil:
		return 0, err
	case n != file.Size:
		return 0, &clientError{io.ErrUnexpectedEOF}
	}
	return int64(len(head)) + n, f.Sync()
}

// watched remembers the error of its reader, to tell it from the writer's.
type watched struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// syncFolder makes a new name last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// get serves a file, or a range of it (RFC 9110 §14).
func (s *Store) get(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	path, since, ok := s.find(token)
	if !ok {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		s.cfg.Log.Warn("upload: a file is gone", "cause", err)
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	content, file, err := read(f)
	if err != nil {
		s.cfg.Log.Error("upload: cannot read", "file", path, "cause", err)
		http.Error(w, "something went wrong here", http.StatusInternalServerError)
		return
	}
	if file.Name != r.PathValue("name") {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	kind, disposition := served(file)
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition)
	h.Set("ETag", `"`+token[:8]+`"`) // the content of an address never changes
	h.Set("Cache-Control", fmt.Sprintf("private, immutable, max-age=%d", int(since.Add(s.cfg.Keep).Sub(s.cfg.Now()).Seconds())))
	_ = http.NewResponseController(w).SetWriteDeadline(patience(file.Size))
	http.ServeContent(w, r, "", since, content)
}

// read takes the description off a file.
func read(f *os.File) (*io.SectionReader, File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, File{}, err
	}
	line, err := bufio.NewReader(io.LimitReader(f, maxAbout)).ReadBytes('\n')
	if err != nil {
		return nil, File{}, err
	}
	var a about
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, File{}, err
	}
	from := int64(len(line))
	size := info.Size() - from
	return io.NewSectionReader(f, from, size), File{Name: a.Name, Size: size, Type: a.Type}, nil
}
