
body