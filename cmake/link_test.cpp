// Linked with one whole library and only the libraries it declares; see Module.cmake.
int main() {
  return 0;
}
