package standin

import (
	"encoding/json"
	"net/http"
)

// controlHandler is the control port; the package comment lists what it takes.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/settings", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Settings()) })
	mux.HandleFunc("GET /control/users", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.People()) })
	mux.HandleFunc("GET /control/requests", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Requests()) })
	mux.HandleFunc("POST /control/users", s.controlAddUser)
	mux.HandleFunc("DELETE /control/users/{who}", func(w http.ResponseWriter, r *http.Request) {
		s.RemoveUser(r.PathValue("who"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /control/presence/{who}", s.controlPresence)
	mux.HandleFunc("POST /control/fault", s.controlFault)
	mux.HandleFunc("DELETE /control/fault", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /control/revoke", func(w http.ResponseWriter, _ *http.Request) {
		s.RevokeTokens()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /control/secret", s.controlSecret)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (s *Server) controlAddUser(w http.ResponseWriter, r *http.Request) {
	u := User{Enabled: true}
	if !read(w, r, &u) {
		return
	}
	u.ID = s.AddUser(u)
	reply(w, http.StatusCreated, u)
}

func (s *Server) controlPresence(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Availability string `json:"availability"`
		Activity     string `json:"activity"`
	}
	if !read(w, r, &p) {
		return
	}
	if err := s.SetPresence(r.PathValue("who"), p.Availability, p.Activity); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if read(w, r, &f) {
		s.Inject(f)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) controlSecret(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Secret string `json:"secret"`
	}
	if read(w, r, &body) {
		s.SetSecret(body.Secret)
		w.WriteHeader(http.StatusNoContent)
	}
}

// read decodes a body strictly, so that a misspelt fault does not pass as none.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went away is not told.
	_ = json.NewEncoder(w).Encode(v)
}
