package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// scram signs one client in by SCRAM-SHA-256 (RFC 5802, RFC 7677).
type scram struct {
	bare, nonce string
	signature   []byte // that the server must show
}

// salted keeps salted passwords as a client may (RFC 5802 §3), so that the generator does not spend its time on them.
var salted sync.Map // salt and iterations, as the server tells them: []byte

// first returns the client-first-message (RFC 5802 §7).
func (s *scram) first(login string) string {
	s.nonce = rand.Text()
	s.bare = "n=" + login + ",r=" + s.nonce
	return "n,," + s.bare
}

// final answers the server-first-message with the client-final-message.
func (s *scram) final(serverFirst string) (string, error) {
	var nonce, salt, iterations string
	for _, field := range strings.Split(serverFirst, ",") {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "r":
			nonce = value
		case "s":
			salt = value
		case "i":
			iterations = value
		}
	}
	if !strings.HasPrefix(nonce, s.nonce) {
		return "", fmt.Errorf("wrong nonce in %q", serverFirst)
	}
	key, err := saltedPassword(salt, iterations)
	if err != nil {
		return "", err
	}
	withoutProof := "c=biws,r=" + nonce
	message := s.bare + "," + serverFirst + "," + withoutProof
	clientKey := mac(key, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := make([]byte, len(clientKey))
	subtle.XORBytes(proof, clientKey, mac(stored[:], message))
	s.signature = mac(mac(key, "Server Key"), message)
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// check refuses a server that does not know the password either.
func (s *scram) check(serverFinal string) error {
	if serverFinal != "v="+base64.StdEncoding.EncodeToString(s.signature) {
		return errors.New("the server does not know the password: " + serverFinal)
	}
	return nil
}

func saltedPassword(salt, iterations string) ([]byte, error) {
	if key, ok := salted.Load(salt + " " + iterations); ok {
		return key.([]byte), nil
	}
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(iterations)
	if err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(sha256.New, password, raw, n, sha256.Size)
	if err == nil {
		salted.Store(salt+" "+iterations, key)
	}
	return key, err
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
